//! The built program, killed, starved, raced and interrupted at every call.

mod aim;
mod body;
mod call;
mod deadlines;
mod family;
mod fault;
mod hard;
mod honest;
mod http;
mod image;
mod implied;
mod kill;
mod lent;
mod point;
mod proxy;
mod race;
mod refusal;
mod scene;
mod signals;
mod slice;
mod stale;
mod stories;
mod story;

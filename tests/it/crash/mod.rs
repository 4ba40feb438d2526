//! The built program, killed, starved, raced and interrupted at every call.

mod call;
mod family;
mod fault;
mod http;
mod image;
mod kill;
mod lent;
mod point;
mod proxy;
mod race;
mod refusal;
mod scene;
mod slice;
mod stale;

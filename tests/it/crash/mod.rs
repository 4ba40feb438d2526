//! The built program, killed, starved, raced and interrupted at every call.

mod call;
mod deadlines;
mod family;
mod fault;
mod http;
mod image;
mod kill;
mod point;
mod proxy;
mod refusal;
mod scene;
mod signals;
mod slice;

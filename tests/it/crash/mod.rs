//! The built program, killed, starved, raced and interrupted at every call.

mod call;
mod family;
mod hard;
mod http;
mod image;
mod kill;
mod point;
mod proxy;
mod refusal;
mod scene;
mod slice;

//! The built program, killed, starved, raced and interrupted at every call.

mod aim;
mod body;
mod call;
mod family;
mod honest;
mod http;
mod image;
mod implied;
mod kill;
mod point;
mod proxy;
mod scene;
mod slice;

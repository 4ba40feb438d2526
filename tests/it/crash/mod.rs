//! The built program, killed, starved, raced and interrupted at every call.

mod aim;
mod body;
mod call;
mod crowd;
mod crowded;
mod family;
mod foreign;
mod honest;
mod http;
mod image;
mod implied;
mod kill;
mod neighbour;
mod point;
mod proxy;
mod scene;
mod slice;

//! `tocsin-desktop`: the program that a person starts. See the library.
#![cfg_attr(not(debug_assertions), windows_subsystem = "windows")]

fn main() -> std::process::ExitCode {
    tocsin_desktop::run()
}

//! The dialogs in GTK, which the webview brings anyway.

use std::cell::Cell;

use gtk::{ButtonsType, DialogFlags, MessageDialog, MessageType, ResponseType, prelude::*};
use tauri::{AppHandle, Manager as _};

use super::Question;
use crate::window;

/// Shows the question above the window; `answer` gets `true` only for the button that allows.
pub fn ask(
    app: &AppHandle,
    question: Question,
    answer: impl FnOnce(bool) + Send + 'static,
) -> tauri::Result<()> {
    let handle = app.clone();
    app.run_on_main_thread(move || {
        let parent = handle.get_webview_window(window::LABEL).and_then(|window| window.gtk_window().ok());
        let dialog = MessageDialog::new(
            parent.as_ref(),
            DialogFlags::MODAL | DialogFlags::DESTROY_WITH_PARENT,
            MessageType::Warning,
            ButtonsType::None,
            &question.text,
        );
        dialog.set_title(&question.title);
        dialog.add_button(&question.cancel, ResponseType::Cancel);
        dialog.add_button(&question.allow, ResponseType::Accept);
        // A script can choose the moment: who is typing must not allow it by a stray Enter.
        dialog.set_default_response(ResponseType::Cancel);
        // Closing it is a response of its own, after that of the button.
        let answer = Cell::new(Some(answer));
        dialog.connect_response(move |dialog, response| {
            if let Some(answer) = answer.take() {
                answer(response == ResponseType::Accept);
            }
            dialog.close();
        });
        dialog.show_all();
    })
}

/// A sentence before there is any window. Without a display the terminal alone has it.
pub fn tell(title: &str, text: &str) {
    if gtk::init().is_err() {
        return;
    }
    let dialog = MessageDialog::new(
        None::<&gtk::Window>,
        DialogFlags::empty(),
        MessageType::Error,
        ButtonsType::Close,
        text,
    );
    dialog.set_title(title);
    dialog.run();
}

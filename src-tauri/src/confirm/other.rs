//! The dialogs on Windows and macOS. Never compiled or run.

use tauri::AppHandle;
use tauri_plugin_dialog::{DialogExt as _, MessageDialogButtons, MessageDialogKind};

use super::Question;

/// Shows the question; `answer` gets `true` only for the button that allows.
pub fn ask(
    app: &AppHandle,
    question: Question,
    answer: impl FnOnce(bool) + Send + 'static,
) -> tauri::Result<()> {
    app.dialog()
        .message(question.text)
        .title(question.title)
        .kind(MessageDialogKind::Warning)
        .buttons(MessageDialogButtons::OkCancelCustom(question.allow, question.cancel))
        .show(answer);
    Ok(())
}

/// Nothing is shown before there is an app; the terminal has the sentence.
pub fn tell(_title: &str, _text: &str) {}

//! The window itself.

use tauri::{
    AppHandle, Manager as _, Url, WebviewUrl, WebviewWindowBuilder,
    webview::{NewWindowResponse, PageLoadEvent},
};
use tocsin_control::Paths;
use tocsin_protocol::control::Language;

use crate::bridge::Bridge;

/// Label of the only window; the capability names it.
pub const LABEL: &str = "main";

/// Fits the list and one message beside each other.
const SIZE: (f64, f64) = (1040.0, 720.0);
/// Below this the layout for phones no longer fits.
const LEAST_SIZE: (f64, f64) = (360.0, 420.0);

/// Opens it. It becomes visible when the page is loaded: no white rectangle meanwhile.
pub fn open(app: &AppHandle, paths: &Paths) -> tauri::Result<()> {
    // The page's first word is in the language of the tray: it hears everything else only once it runs.
    let page = match app.state::<Bridge>().locale().language() {
        Language::ZhCn => "desktop.html?lang=zh-CN",
        Language::System | Language::En => "desktop.html?lang=en",
    };
    WebviewWindowBuilder::new(app, LABEL, WebviewUrl::App(page.into()))
        .title(app.state::<Bridge>().locale().t("dialog.title", &[]))
        .inner_size(SIZE.0, SIZE.1)
        .min_inner_size(LEAST_SIZE.0, LEAST_SIZE.1)
        .visible(false)
        // Caches only. Beside the resident's, so that two residents never share a webview's storage.
        .data_directory(paths.state.join("webview"))
        .on_navigation(is_own)
        // A link in a message opens in the person's browser, through the resident; nothing opens here.
        .on_new_window(|_, _| NewWindowResponse::Deny)
        .on_page_load(|window, load| {
            if load.event() == PageLoadEvent::Finished {
                // Failing to show leaves a window that cannot be seen: the taskbar still has it.
                let _ = window.show().and_then(|()| window.set_focus());
            }
        })
        .build()?;
    Ok(())
}

/// Whether `url` is the page that came with this program. Anything else never loads here, so that no foreign script
/// ever stands where the bridge is.
fn is_own(url: &Url) -> bool {
    match (url.scheme(), url.host_str()) {
        ("tauri", Some("localhost")) => true,
        // What Windows calls it.
        ("http" | "https", Some("tauri.localhost")) => url.port().is_none(),
        _ => false,
    }
}

/// Titles it in the language of now.
pub fn retitle(app: &AppHandle) {
    if let Some(window) = app.get_webview_window(LABEL) {
        // An old title does no harm.
        let _ = window.set_title(&app.state::<Bridge>().locale().t("dialog.title", &[]));
    }
}

/// Brings the window to the front; `token` lets it do so on Wayland. Only on the main thread.
pub fn focus(app: &AppHandle, token: Option<&str>) {
    let Some(window) = app.get_webview_window(LABEL) else { return };
    #[cfg(target_os = "linux")]
    if let (Some(token), Ok(gtk)) = (token, window.gtk_window()) {
        use gtk::prelude::GtkWindowExt as _;
        gtk.set_startup_id(token);
    }
    #[cfg(not(target_os = "linux"))]
    let _ = token;
    // A window manager may refuse any of these; the others still help.
    let _ = window.unminimize();
    let _ = window.show();
    let _ = window.set_focus();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_own_page_loads() {
        for (url, own) in [
            ("tauri://localhost/desktop.html", true),
            ("http://tauri.localhost/desktop.html", true),
            ("tauri://example.org/", false),
            ("http://tauri.localhost.example.org/", false),
            ("http://tauri.localhost:8722/", false),
            ("http://127.0.0.1:8722/", false),
            ("https://example.org/", false),
            ("file:///etc/passwd", false),
            ("data:text/html,x", false),
            ("javascript:alert(1)", false),
        ] {
            assert_eq!(is_own(&url.parse().unwrap()), own, "{url}");
        }
    }
}

//! Why the resident refuses.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// Named in an error answer of `/native/…` as `reason`, where the code alone does not say enough: the page has a
/// sentence for each, in the person's language. The message beside it is for the command line and logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// The ports are the same, or one is 0.
    Ports,
    /// What is to be the page's address on the internet is none.
    PageAddress,
    /// Not a minute of the day.
    QuietHours,
    /// The start at login cannot be changed.
    Autostart,
    /// The passphrase is too short.
    PassphraseShort,
    /// The passphrase does not open the sealed file.
    PassphraseWrong,
    /// The sealed file cannot be read or written.
    SealedFile,
    /// There is no keyring.
    KeyringMissing,
    /// The keyring is locked.
    KeyringLocked,
    /// The sealed file's passphrase has not been given in this run.
    KeyringSealed,
    /// The keyring failed.
    KeyringFailed,
    /// The text is not an invite, or leads to no server.
    Invite,
    /// The window cannot be started.
    Window,
    /// The address cannot be opened in a browser.
    Link,
}

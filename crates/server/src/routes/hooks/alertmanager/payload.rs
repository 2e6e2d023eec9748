//! Alertmanager's webhook payload, version 4. Fields that newer versions add are ignored; labels and annotations are
//! ordered, so that the same group reads the same every time.

use std::collections::BTreeMap;

use serde::Deserialize;
use utoipa::ToSchema;

/// Names and values.
pub type Labels = BTreeMap<String, String>;

/// Whether it burns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It burns.
    Firing,
    /// It is over.
    Resolved,
}

impl Status {
    /// As it is written on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Firing => "firing",
            Self::Resolved => "resolved",
        }
    }
}

/// One notification of one group.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Notification {
    /// Always `4`.
    pub version: String,
    /// Names the group, the same over its whole life.
    pub group_key: String,
    /// Alerts left out because of `max_alerts`.
    #[serde(default)]
    pub truncated_alerts: u64,
    /// Firing as long as one alert is.
    pub status: Status,
    /// What the group has in common by configuration.
    #[serde(default)]
    pub group_labels: Labels,
    /// What all alerts have in common.
    #[serde(default)]
    pub common_labels: Labels,
    /// What all alerts have in common.
    #[serde(default)]
    pub common_annotations: Labels,
    /// Address of Alertmanager's own page.
    #[serde(default, rename = "externalURL")]
    pub external_url: String,
    /// The alerts.
    #[serde(default)]
    pub alerts: Vec<Alert>,
}

/// One alert.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Alert {
    /// Its own state.
    pub status: Status,
    /// What it is about.
    #[serde(default)]
    pub labels: Labels,
    /// What it says.
    #[serde(default)]
    pub annotations: Labels,
    /// Since when, as text: compared, never computed with.
    #[serde(default)]
    pub starts_at: String,
    /// Address of the rule's graph.
    #[serde(default, rename = "generatorURL")]
    pub generator_url: String,
    /// Hash of its labels.
    #[serde(default)]
    pub fingerprint: String,
}

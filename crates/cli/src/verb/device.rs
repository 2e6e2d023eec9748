//! Devices.

use tocsin_protocol::Device;

use crate::{
    args::admin::{Devices, DevicesVerb},
    context::Context,
    exit::{Exit, Failure},
    output::maybe_time,
};

pub(super) async fn run(context: &Context, args: &Devices) -> Result<Exit, Failure> {
    let (None | Some(DevicesVerb::List)) = args.verb;
    let devices: Vec<Device> = context.link().await?.get("/v1/devices").await?;
    context.out.table(&devices, &["USER", "DEVICE", "ONLINE", "LAST SEEN", "TOPICS"], |device| {
        let online = if device.online { "yes" } else { "no" };
        let topics = device.filter.as_ref().map_or_else(|| "*".to_owned(), |topics| topics.join(","));
        vec![device.user.clone(), device.name.clone(), online.into(), maybe_time(device.last_seen_at), topics]
    })?;
    context.say_if_none(&devices, "none_devices");
    Ok(Exit::Ok)
}

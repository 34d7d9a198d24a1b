//! Runs Nym's SOCKS5 client, version 2.0.0 of its crates, until stdin has a line
//! or ends.
//!
//! ```text
//! test ── stdin ──▶  {"do":"quit"}
//! test ◀─ stdout ──  {"event":"address","address":RECIPIENT}
//!                    {"event":"bye"}
//!                    {"event":"error","error":TEXT}
//! ```
//!
//! Usage: nymsocks DIRECTORY-URL OPTIONS-JSON

use std::path::PathBuf;

use nym_client_core::client::base_client::storage::{helpers::set_active_gateway, Ephemeral, MixnetClientStorage};
use nym_client_core::init::types::{GatewaySelectionSpecification, GatewaySetup};
use nym_client_core::init::{generate_new_client_keys, helpers::gateways_for_init, setup_gateway};
use nym_socks5_client_core::{config::Config, NymClient};
use nym_topology::NymTopology;
use nym_validator_client::UserAgent;
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Options {
    requester: String,
    listen: String,
    #[serde(default)]
    anonymous: bool,
    /// Topology file in place of the directory's lists (nodes.md §4.8).
    custom_mixnet: Option<PathBuf>,
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn tell(event: serde_json::Value) {
    println!("{event}");
}

#[tokio::main]
async fn main() {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_writer(std::io::stderr)
        .init();
    if let Err(e) = run().await {
        tell(json!({"event": "error", "error": e.to_string()}));
        std::process::exit(1);
    }
    std::process::exit(0); // without waiting for what the client still does
}

async fn run() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().collect();
    let directory: url::Url = args.get(1).ok_or("no directory")?.parse()?;
    let options: Options = serde_json::from_str(args.get(2).ok_or("no options")?)?;

    let mut config = Config::new("interop".to_string(), "2.0.0".to_string(), options.requester);
    config.base.client.nym_api_urls = vec![directory.clone()];
    config.base.client.nyxd_urls = vec!["http://127.0.0.1:1".parse()?];
    config.socks5.bind_address = options.listen.parse()?;
    config.socks5.send_anonymously = options.anonymous;
    let agent = UserAgent {
        application: "interop".into(),
        version: "2.0.0".into(),
        platform: "test".into(),
        git_commit: "none".into(),
    };

    let storage = Ephemeral::default();
    generate_new_client_keys(&mut rand::rng(), storage.key_store()).await?;
    let available_gateways = match &options.custom_mixnet {
        Some(file) => NymTopology::new_from_file(file)?.entry_capable_nodes().cloned().collect(),
        None => gateways_for_init(&[directory], Some(agent.clone()), 50, true, None).await?,
    };
    let setup = GatewaySetup::New {
        specification: GatewaySelectionSpecification::new(None, None, false, false),
        available_gateways,
        connection_fd_callback: None,
    };
    let init = setup_gateway(setup, storage.key_store(), storage.gateway_details_store()).await?;
    set_active_gateway(storage.gateway_details_store(), &init.gateway_id().to_base58_string()).await?;

    let client = NymClient::new(config, storage, agent, options.custom_mixnet);
    let started = client.start().await?;
    tell(json!({"event": "address", "address": started.address.to_string()}));
    let mut line = String::new();
    tokio::task::spawn_blocking(move || std::io::stdin().read_line(&mut line)).await??;
    tell(json!({"event": "bye"}));
    Ok(())
}

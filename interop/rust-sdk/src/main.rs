//! Runs the client of Nym's SDK for Rust and lets the test drive it, as
//! nymclient.mjs does with the one for Node.
//!
//! ```text
//! test ── stdin ──▶  {"do":"send","to":RECIPIENT,"body":BASE64}
//!                    {"do":"ask","to":RECIPIENT,"body":BASE64,"surbs":10}
//!                    {"do":"reply","tag":BASE58,"body":BASE64}
//!                    {"do":"quit"}
//! test ◀─ stdout ──  {"event":"address","address":RECIPIENT}
//!                    {"event":"message","body":BASE64,"tag":BASE64 or absent}
//!                    {"event":"bye"}
//!                    {"event":"error","error":TEXT}
//! ```
//!
//! With a requester among the options it is Nym's SOCKS5 client instead, which
//! takes no order but quit. With streams among them it has streams instead of messages:
//!
//! ```text
//! test ── stdin ──▶  {"do":"open","to":RECIPIENT}
//!                    {"do":"write","stream":ID,"body":BASE64}
//!                    {"do":"drop","stream":ID}
//! test ◀─ stdout ──  {"event":"opened","stream":ID}, {"event":"accepted","stream":ID}
//!                    {"event":"data","stream":ID,"body":BASE64}
//! ```
//!
//! What the SDK logs goes to stderr.
//!
//! Usage: nymsdk DIRECTORY-URL [OPTIONS-JSON [FOLDER]]
//!
//! FOLDER has the keys and the gateway of the one that ran with it before.

use std::collections::HashMap;
use std::io::BufRead;
use std::time::Duration;

use base64::{engine::general_purpose::STANDARD, Engine};
use nym_sdk::mixnet::*;
use serde::Deserialize;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt, WriteHalf};
use tokio::sync::mpsc;

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Options {
    gateway: Option<String>,
    refresh_ms: Option<u64>,
    forget_me: Option<bool>,
    requester: Option<String>,
    listen: Option<String>,
    anonymous: Option<bool>,
    streams: Option<bool>,
}

#[derive(Deserialize)]
struct Order {
    r#do: String,
    to: Option<String>,
    tag: Option<String>,
    body: Option<String>,
    surbs: Option<u32>,
    stream: Option<String>,
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
}

async fn run() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().collect();
    let directory = args.get(1).ok_or("no directory")?;
    let options: Options = serde_json::from_str(args.get(2).map_or("{}", |s| s))?;

    let mut network = nym_sdk::NymNetworkDetails::default();
    network.endpoints = vec![nym_sdk::ValidatorDetails::new("http://127.0.0.1:1", Some(directory.as_str()), None)];
    network.nym_api_urls = Some(vec![nym_network_defaults::ApiUrl { url: directory.clone(), front_hosts: None }]);
    match args.get(3) {
        Some(folder) => {
            let paths = StoragePaths::new_from_dir(std::path::Path::new(folder))?;
            let b = MixnetClientBuilder::new_with_default_storage(paths).await?;
            serve(b.network_details(network), options).await
        }
        None => serve(MixnetClientBuilder::new_ephemeral().network_details(network), options).await,
    }
}

async fn serve<S>(mut b: MixnetClientBuilder<S>, options: Options) -> Result<(), Failure>
where
    S: MixnetClientStorage + Clone + 'static,
    S::ReplyStore: Send + Sync,
    S::GatewaysDetailsStore: Sync,
    <S::ReplyStore as ReplyStorageBackend>::StorageError: Sync + Send,
    <S::CredentialStore as CredentialStorage>::StorageError: Send + Sync,
    <S::KeyStore as KeyStore>::StorageError: Send + Sync,
    <S::GatewaysDetailsStore as GatewaysDetailsStore>::StorageError: Send + Sync,
{
    if let Some(gateway) = options.gateway {
        b = b.request_gateway(gateway);
    }
    if options.forget_me == Some(true) {
        b = b.with_forget_me(nym_client_core::config::ForgetMe::new_all());
    }
    if let Some(ms) = options.refresh_ms {
        let mut debug = nym_sdk::DebugConfig::default();
        debug.topology.topology_refresh_rate = Duration::from_millis(ms);
        b = b.debug_config(debug);
    }
    let mut orders = read_orders();
    if options.streams == Some(true) {
        let mut client = b.build()?.connect_to_mixnet().await?;
        tell(json!({"event": "address", "address": client.nym_address().to_string()}));
        stream(&mut client, orders).await?;
        client.disconnect().await;
    } else if let Some(requester) = options.requester {
        let mut socks = Socks5::new(requester);
        socks.bind_address = options.listen.ok_or("nowhere to listen")?.parse()?;
        socks.send_anonymously = options.anonymous == Some(true);
        let client = b.socks5_config(socks).build()?.connect_to_mixnet_via_socks5().await?;
        tell(json!({"event": "address", "address": client.nym_address().to_string()}));
        while let Some(order) = orders.recv().await {
            if order?.r#do == "quit" {
                break;
            }
        }
        client.disconnect().await;
    } else {
        let mut client = b.build()?.connect_to_mixnet().await?;
        tell(json!({"event": "address", "address": client.nym_address().to_string()}));
        let sender = client.split_sender();
        loop {
            tokio::select! {
                order = orders.recv() => match order {
                    None => break,
                    Some(order) => {
                        let order = order?;
                        if order.r#do == "quit" {
                            break;
                        }
                        if let Err(e) = follow(&sender, order).await {
                            tell(json!({"event": "error", "error": e.to_string()}));
                        }
                    }
                },
                messages = client.wait_for_messages() => {
                    for m in messages.ok_or("the client has ended")? {
                        let tag = m.sender_tag.map(|t| STANDARD.encode(t.to_bytes()));
                        tell(json!({"event": "message", "body": STANDARD.encode(&m.message), "tag": tag}));
                    }
                }
            }
        }
        client.disconnect().await;
    }
    tell(json!({"event": "bye"}));
    Ok(())
}

/// Opens and accepts streams, until it is told to end.
async fn stream(client: &mut MixnetClient, mut orders: mpsc::Receiver<Result<Order, serde_json::Error>>) -> Result<(), Failure> {
    let mut listener = client.listener()?;
    let mut writers: HashMap<String, WriteHalf<MixnetStream>> = HashMap::new();
    loop {
        tokio::select! {
            order = orders.recv() => {
                let Some(order) = order else { return Ok(()) };
                let order = order?;
                let id = order.stream.unwrap_or_default();
                match order.r#do.as_str() {
                    "quit" => return Ok(()),
                    "open" => {
                        let to: Recipient = order.to.ok_or("to whom?")?.parse()?;
                        let opened = client.open_stream(to, order.surbs).await?;
                        adopt(opened, "opened", &mut writers);
                    }
                    "write" => {
                        let body = STANDARD.decode(order.body.unwrap_or_default())?;
                        writers.get_mut(&id).ok_or("no such stream")?.write_all(&body).await?;
                    }
                    "drop" => {
                        writers.remove(&id);
                    }
                    what => return Err(format!("unknown order {what}").into()),
                }
            }
            accepted = listener.accept() => {
                adopt(accepted.ok_or("the listener has ended")?, "accepted", &mut writers);
            }
        }
    }
}

/// Tells of a stream, and of all that comes by it.
fn adopt(s: MixnetStream, event: &str, writers: &mut HashMap<String, WriteHalf<MixnetStream>>) {
    let id = s.id().as_u64().to_string();
    tell(json!({"event": event, "stream": id}));
    let (mut reader, writer) = tokio::io::split(s);
    writers.insert(id.clone(), writer);
    tokio::spawn(async move {
        let mut buf = vec![0; 64 << 10];
        while let Ok(n) = reader.read(&mut buf).await {
            if n == 0 {
                break;
            }
            tell(json!({"event": "data", "stream": id, "body": STANDARD.encode(&buf[..n])}));
        }
    });
}

/// Reads orders from stdin until it ends.
fn read_orders() -> mpsc::Receiver<Result<Order, serde_json::Error>> {
    let (tx, rx) = mpsc::channel(16);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if tx.blocking_send(serde_json::from_str(&line)).is_err() {
                break;
            }
        }
    });
    rx
}

async fn follow(sender: &MixnetClientSender, order: Order) -> Result<(), Failure> {
    let body = STANDARD.decode(order.body.unwrap_or_default())?;
    match order.r#do.as_str() {
        "send" | "ask" => {
            let to: Recipient = order.to.ok_or("to whom?")?.parse()?;
            let surbs = match order.surbs {
                Some(n) => IncludedSurbs::new(n),
                None => IncludedSurbs::ExposeSelfAddress,
            };
            sender.send_message(to, body, surbs).await?;
        }
        "reply" => {
            let tag = AnonymousSenderTag::try_from_base58_string(order.tag.ok_or("to whom?")?)?;
            sender.send_reply(tag, body).await?;
        }
        what => return Err(format!("unknown order {what}").into()),
    }
    Ok(())
}

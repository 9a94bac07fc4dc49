//! What each process counts of its use of the store: `GET /admin/v1/store`.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::client::http;
use crate::layout::Layout;
use crate::node::Node;

/// The counters of one process: transactions, commits, conflicts, bytes written and so on, as the admin
/// API gives them. None where the program does not have the endpoint, or does not answer.
pub(crate) async fn counters(node: &Node, token: &str) -> Option<Value> {
    let url = format!("http://{}/admin/v1/store", node.admins);
    let answer = http().get(url).bearer_auth(token).send().await.ok()?;
    if !answer.status().is_success() {
        return None;
    }
    serde_json::from_slice(&answer.bytes().await.ok()?).ok()
}

/// The counters of every process that has them, by its name.
pub(crate) async fn counters_of(layout: &mut Layout) -> BTreeMap<String, Value> {
    let token = layout.token.clone();
    let mut all = BTreeMap::new();
    for node in layout.nodes() {
        if let Some(counters) = counters(node, &token).await {
            all.insert(node.name.clone(), counters);
        }
    }
    all
}

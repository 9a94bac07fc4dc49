//! The admin API.

use bytes::Bytes;
use patchbay_workflow::{CustomerId, Role, Sensitive, WorkflowId};
use reqwest::{Method, RequestBuilder};
use serde::Serialize;
use serde::de::DeserializeOwned;
use url::Url;

use super::{Base, ClientError};
use crate::ADMIN_BASE;
use crate::admin::{
    Backend, BackendChoices, BackendList, Binding, CreatedCustomer, CustomerList, IssuedToken,
    NewBackend, NewBinding, NewCustomer, NewToken, Plugin, PluginList,
};
use crate::monitor::{QueueReport, StoreReport};
use crate::workflows::{WorkflowDetail, WorkflowPage, WorkflowQuery};

/// A client of the admin API.
#[derive(Debug, Clone)]
pub struct AdminClient {
    http: reqwest::Client,
    base: Base,
    token: Sensitive<String>,
}

impl AdminClient {
    /// A client of the admin listener at `listener` (`http://HOST:PORT`) that proves itself with
    /// `token`.
    pub fn new(http: reqwest::Client, listener: Url, token: String) -> Result<Self, ClientError> {
        let segments: Vec<&str> = ADMIN_BASE.split('/').collect();
        let base = Base::new(Base::new(listener)?.at(&segments))?;
        Ok(Self {
            http,
            base,
            token: Sensitive::new(token),
        })
    }

    /// Creates a customer.
    pub async fn create_customer(
        &self,
        customer: &NewCustomer,
    ) -> Result<CreatedCustomer, ClientError> {
        self.post(&["customers"], customer, "a new customer").await
    }

    /// Every customer.
    pub async fn customers(&self) -> Result<CustomerList, ClientError> {
        self.get(self.base.at(&["customers"]), "a list of customers")
            .await
    }

    /// Issues a token for the customer API.
    pub async fn issue_token(
        &self,
        customer: &CustomerId,
        token: &NewToken,
    ) -> Result<IssuedToken, ClientError> {
        self.post(
            &["customers", customer.as_str(), "tokens"],
            token,
            "a token",
        )
        .await
    }

    /// Gives a role of a customer to a plugin.
    pub async fn bind(
        &self,
        customer: &CustomerId,
        role: Role,
        binding: &NewBinding,
    ) -> Result<Binding, ClientError> {
        let url = self
            .base
            .at(&["customers", customer.as_str(), "bindings", role.as_str()]);
        self.send_json(Method::PUT, url, binding, "a binding").await
    }

    /// Sets which backends are asked for a customer, and in which order.
    pub async fn choose_backends(
        &self,
        customer: &CustomerId,
        choices: &BackendChoices,
    ) -> Result<BackendChoices, ClientError> {
        let url = self.base.at(&["customers", customer.as_str(), "backends"]);
        self.send_json(Method::PUT, url, choices, "a list of backends")
            .await
    }

    /// Pushes a component under a name. It is compiled before this answers, which takes seconds.
    pub async fn push_plugin(&self, name: &str, component: Bytes) -> Result<Plugin, ClientError> {
        let mut url = self.base.at(&["plugins"]);
        url.query_pairs_mut().append_pair("name", name);
        let request = self
            .http
            .post(url)
            .header(reqwest::header::CONTENT_TYPE, "application/wasm")
            .body(component);
        self.send(request, "a plugin").await
    }

    /// Every version of every plugin.
    pub async fn plugins(&self) -> Result<PluginList, ClientError> {
        self.get(self.base.at(&["plugins"]), "a list of plugins")
            .await
    }

    /// Registers a backend.
    pub async fn create_backend(&self, backend: &NewBackend) -> Result<Backend, ClientError> {
        self.post(&["backends"], backend, "a backend").await
    }

    /// Every backend.
    pub async fn backends(&self) -> Result<BackendList, ClientError> {
        self.get(self.base.at(&["backends"]), "a list of backends")
            .await
    }

    /// One page of workflows.
    pub async fn workflows(&self, query: &WorkflowQuery) -> Result<WorkflowPage, ClientError> {
        let mut url = self.base.at(&["workflows"]);
        {
            let mut pairs = url.query_pairs_mut();
            if let Some(customer) = &query.customer {
                pairs.append_pair("customer", customer.as_str());
            }
            if let Some(status) = query.status {
                pairs.append_pair("status", status.as_str());
            }
            if let Some(limit) = query.limit {
                pairs.append_pair("limit", &limit.to_string());
            }
            if let Some(cursor) = &query.cursor {
                pairs.append_pair("cursor", cursor);
            }
        }
        self.get(url, "a page of workflows").await
    }

    /// One workflow; with `detail` also what guests and endpoints said, which may name the patient.
    pub async fn workflow(
        &self,
        id: WorkflowId,
        detail: bool,
    ) -> Result<WorkflowDetail, ClientError> {
        let mut url = self.base.at(&["workflows", &id.to_string()]);
        if detail {
            url.query_pairs_mut().append_pair("detail", "true");
        }
        self.get(url, "a workflow").await
    }

    /// Starts a failed workflow's processing anew.
    pub async fn retry(&self, id: WorkflowId) -> Result<WorkflowDetail, ClientError> {
        let url = self.base.at(&["workflows", &id.to_string(), "retry"]);
        self.send(self.http.post(url), "a workflow").await
    }

    /// What the store's transactions of the process that answers came to.
    pub async fn store(&self) -> Result<StoreReport, ClientError> {
        self.get(self.base.at(&["store"]), "a report on the store")
            .await
    }

    /// What waits in the queue.
    pub async fn queue(&self) -> Result<QueueReport, ClientError> {
        self.get(self.base.at(&["queue"]), "a report on the queue")
            .await
    }

    async fn get<T: DeserializeOwned>(
        &self,
        url: Url,
        expected: &'static str,
    ) -> Result<T, ClientError> {
        self.send(self.http.get(url), expected).await
    }

    async fn post<T: DeserializeOwned>(
        &self,
        segments: &[&str],
        body: &impl Serialize,
        expected: &'static str,
    ) -> Result<T, ClientError> {
        self.send_json(Method::POST, self.base.at(segments), body, expected)
            .await
    }

    async fn send_json<T: DeserializeOwned>(
        &self,
        method: Method,
        url: Url,
        body: &impl Serialize,
        expected: &'static str,
    ) -> Result<T, ClientError> {
        self.send(self.http.request(method, url).json(body), expected)
            .await
    }

    async fn send<T: DeserializeOwned>(
        &self,
        request: RequestBuilder,
        expected: &'static str,
    ) -> Result<T, ClientError> {
        let response = request
            .bearer_auth(self.token.expose())
            .send()
            .await
            .map_err(|error| self.base.unreachable(error))?;
        self.base.json(response, expected).await
    }
}

//! Delivering one leased event.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use patchbay_ambient::{HttpError, HttpResponse};
use patchbay_delivery::{EndpointKey, NotEntered, SigningSecret, Verdict, webhook_request};
use patchbay_registry::Customer;
use patchbay_store::StoreError;
use patchbay_store::deliver::{RecordAttempt, Told};
use patchbay_store::lease::LoadEvent;
use patchbay_store::queue::{Lease, Return};
use patchbay_store::records::{DeliveryAttempt, EventState, OutboxEvent};
use patchbay_vault::RecordKind;
use patchbay_workflow::{Blame, EventId, Failure, Sensitive, Timestamp};
use url::Url;

use crate::pool::Place;
use crate::seal::{MessageContent, open, seal};
use crate::service::Service;

/// The wait before an endpoint whose slots are all taken is tried again.
const BUSY_PAUSE: Duration = Duration::from_millis(250);

/// An event ready to be sent.
struct Letter {
    id: EventId,
    attempts: u32,
    message: MessageContent,
}

impl Service {
    /// Makes one attempt. `message` is at hand where the same process has just formatted it.
    pub(crate) async fn deliver(
        self: Arc<Self>,
        mut lease: Lease,
        place: Place,
        message: Option<MessageContent>,
    ) {
        let id = EventId::from_uuid(lease.id);
        let Some(customer) = self.known_customer(&lease.customer).await else {
            return self.leave_for_later(&lease, "customer-unknown").await;
        };
        let letter = match message {
            Some(message) => Ok(Some(Letter {
                id,
                attempts: 0,
                message,
            })),
            None => self.letter(&customer, &lease, id).await,
        };
        let done = match letter {
            Ok(Some(letter)) => self.attempt(&customer, &mut lease, letter).await,
            Ok(None) => {
                let failure = Failure::new(Blame::Host, "event-unreadable");
                self.record(
                    &lease,
                    empty_attempt(self.parts.clock.now()),
                    Told::Dead(failure),
                )
                .await
            }
            Err(error) => Err(error),
        };
        if let Err(error) = done {
            // The lease expires, and another worker tries again.
            tracing::warn!(event = %id, %error, "a delivery could not be recorded");
        }
        drop(place);
    }

    /// The stored event; none where it cannot be read.
    async fn letter(
        &self,
        customer: &Customer,
        lease: &Lease,
        id: EventId,
    ) -> Result<Option<Letter>, StoreError> {
        let Some((event, sealed)) = self.parts.store.run(&LoadEvent(lease)).await? else {
            return Ok(None);
        };
        let OutboxEvent {
            state: EventState::Pending { attempts },
            ..
        } = event
        else {
            return Ok(None);
        };
        let message = open(customer, RecordKind::Event, id.as_bytes(), &sealed).ok();
        Ok(message.map(|message| Letter {
            id,
            attempts,
            message,
        }))
    }

    async fn attempt(
        &self,
        customer: &Customer,
        lease: &mut Lease,
        letter: Letter,
    ) -> Result<(), StoreError> {
        let own = customer.webhook.as_ref();
        let endpoint: Option<&Url> = match (&letter.message.endpoint, own) {
            (Some(given), _) => Some(given),
            (None, Some(own)) if own.enabled => Some(&own.url),
            (None, _) => None,
        };
        let now = self.parts.clock.now();
        let Some(endpoint) = endpoint else {
            let failure = Failure::new(Blame::CustomerEndpoint, "endpoint-disabled");
            return self
                .record(lease, empty_attempt(now), Told::Dead(failure))
                .await;
        };
        let slot = self
            .gate
            .try_enter(&EndpointKey::of(&customer.id, endpoint));
        let _slot = match slot {
            Ok(slot) => slot,
            Err(reason) => {
                let at = now.after(match reason {
                    NotEntered::TooFast(wait) => wait,
                    NotEntered::Busy | NotEntered::Full => BUSY_PAUSE,
                });
                return self.parts.store.run(&Return { lease, at }).await;
            }
        };
        let secrets = signing_secrets(customer);
        let request = webhook_request(
            endpoint,
            headers(&letter.message),
            Bytes::from(letter.message.body.expose().clone()),
            &secrets,
            &letter.id,
            now,
            self.parts.settings.webhook_timeout,
        );
        let sending = self.parts.http.send(request);
        let Some(result) = self.while_leased(lease, sending).await else {
            tracing::info!(event = %letter.id, "the lease was lost; the attempt is not recorded");
            return Ok(());
        };
        let ended = self.parts.clock.now();
        let (told, error) = self.judge(&result, letter.attempts + 1, ended);
        if matches!(&told, Told::Dead(failure) if failure.code == "endpoint-gone")
            && letter.message.endpoint.is_none()
        {
            self.disable(customer).await;
        }
        let attempt = self.describe(customer, &letter, now, &result, error);
        self.record(lease, attempt, told).await
    }

    fn judge(
        &self,
        result: &Result<HttpResponse, HttpError>,
        made: u32,
        now: Timestamp,
    ) -> (Told, Option<String>) {
        let settings = &self.parts.settings;
        match patchbay_delivery::classify(result.as_ref(), now) {
            Verdict::Delivered => (Told::Delivered, None),
            Verdict::Gone => {
                let failure = Failure::new(Blame::CustomerEndpoint, "endpoint-gone");
                (Told::Dead(failure), Some("endpoint-gone".to_owned()))
            }
            Verdict::Retry { after, failure } => {
                let code = failure.code();
                let told = match settings.schedule.next(made, after, &*self.parts.entropy) {
                    Some(wait) => Told::Again(now.after(wait)),
                    None => Told::Dead(Failure::new(Blame::CustomerEndpoint, code)),
                };
                (told, Some(code.to_owned()))
            }
        }
    }

    fn describe(
        &self,
        customer: &Customer,
        letter: &Letter,
        began: Timestamp,
        result: &Result<HttpResponse, HttpError>,
        error: Option<String>,
    ) -> DeliveryAttempt {
        let answer = result
            .as_ref()
            .ok()
            .filter(|response| !response.body.is_empty());
        let answer = answer.and_then(|response| {
            let body = Sensitive::new(response.body.to_vec());
            let id = letter.id.as_bytes();
            seal(
                customer,
                RecordKind::Attempt,
                id,
                &body,
                &*self.parts.entropy,
            )
            .ok()
        });
        let latency = match result {
            Ok(response) => response.latency,
            Err(_) => self.parts.clock.now().since(began),
        };
        DeliveryAttempt {
            at: began,
            status: result
                .as_ref()
                .ok()
                .map(|response| response.status.as_u16()),
            error,
            latency_ms: u64::try_from(latency.as_millis()).unwrap_or(u64::MAX),
            answer,
        }
    }

    async fn record(
        &self,
        lease: &Lease,
        attempt: DeliveryAttempt,
        told: Told,
    ) -> Result<(), StoreError> {
        let now = self.parts.clock.now();
        let operation = RecordAttempt {
            lease,
            attempt,
            told,
            now,
        };
        if let Some(workflow) = self.parts.store.run(&operation).await? {
            tracing::debug!(workflow = %workflow.id, status = %workflow.status(), "told");
        }
        Ok(())
    }

    /// The endpoint said that it is gone for good (410).
    async fn disable(&self, customer: &Customer) {
        tracing::warn!(customer = %customer.id, "its webhook endpoint is gone and was disabled");
        let disabled = self
            .parts
            .registry
            .disable_webhook("host", &customer.id, "endpoint-gone");
        if let Err(error) = disabled.await {
            tracing::error!(customer = %customer.id, %error, "an endpoint could not be disabled");
        }
    }
}

fn signing_secrets(customer: &Customer) -> Vec<SigningSecret> {
    let secrets = customer.webhook_secrets.iter();
    secrets
        .filter_map(|secret| SigningSecret::from_bytes(secret.0.expose()).ok())
        .collect()
}

fn headers(message: &MessageContent) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in &message.headers {
        let pair = HeaderName::try_from(name)
            .ok()
            .zip(HeaderValue::try_from(value).ok());
        if let Some((name, value)) = pair {
            headers.append(name, value);
        }
    }
    if let Ok(value) = HeaderValue::try_from(&message.content_type) {
        headers.insert(http::header::CONTENT_TYPE, value);
    }
    headers
}

fn empty_attempt(at: Timestamp) -> DeliveryAttempt {
    DeliveryAttempt {
        at,
        status: None,
        error: None,
        latency_ms: 0,
        answer: None,
    }
}

//! Processing one leased workflow: search, decide, format, complete.

use std::sync::Arc;
use std::time::Duration;

use patchbay_registry::Customer;
use patchbay_sandbox::{Call, GuestOutput, SearchOutcome, SearchQuery};
use patchbay_store::StoreError;
use patchbay_store::complete::{
    Complete, Completed, Ground, HandBack, NewEvent, NewMapping, ReadGround, Verdict,
};
use patchbay_store::lease::LoadWork;
use patchbay_store::queue::Lease;
use patchbay_store::transition::Cause;
use patchbay_vault::{RecordKind, Sealed};
use patchbay_workflow::{
    Actor, BackendId, Blame, Candidate, Decision, Failure, KeyedHash, LeaseToken, OnAmbiguity,
    PluginRef, SearchAnswer, Sensitive, Workflow,
};

use crate::event::{Formatted, News};
use crate::pool::Place;
use crate::seal::{MappingContent, MessageContent, RequestContent, Unreadable, open, seal};
use crate::service::Service;
use crate::verdict::{Trouble, add_message};

/// The most text of guests that one timeline entry keeps, in bytes.
const MOST_DETAIL: usize = 48 * 1024;

/// What the search came to.
enum Found {
    /// This record, at this backend, by this adapter.
    Link(Candidate, BackendId, PluginRef),
    Nobody,
    Several(Vec<Candidate>),
    Trouble(Trouble),
}

/// A search's result with all that its conclusion needs.
pub(crate) struct Work {
    found: Found,
    ground: Ground,
    /// The candidates that the decision was made on, hashed.
    candidates: Vec<KeyedHash>,
    output: GuestOutput,
}

impl Service {
    pub(crate) async fn process(self: Arc<Self>, mut lease: Lease, place: Place) {
        let id = lease.item.workflow;
        let loaded = match self.parts.store.run(&LoadWork(&lease)).await {
            Ok(Some(loaded)) => loaded,
            Ok(None) => return tracing::error!(workflow = %id, "a leased workflow has no record"),
            Err(error) => return tracing::warn!(workflow = %id, %error, "not processed now"),
        };
        let (workflow, sealed) = loaded;
        let Some(customer) = self.known_customer(&workflow.customer).await else {
            return self.leave_for_later(&lease, "customer-unknown").await;
        };
        if !self.get_to_know(&workflow).await {
            return self.leave_for_later(&lease, "registry-unavailable").await;
        }
        let content = open(&customer, RecordKind::Request, id.as_bytes(), &sealed);
        let result = match content {
            Ok(content) => {
                let searching = self.search(&customer, &workflow, &content, lease.token);
                let Some(work) = self.while_leased(&mut lease, searching).await else {
                    return tracing::info!(workflow = %id, "the lease was lost; the work is dropped");
                };
                match work {
                    Ok(work) => {
                        self.conclude(&customer, &workflow, &content, lease, work)
                            .await
                    }
                    Err(error) => Err(error),
                }
            }
            Err(Unreadable) => self.give_up_unreadable(&workflow, &lease).await,
        };
        if let Err(error) = result {
            // The lease expires, and another worker tries again.
            tracing::warn!(workflow = %id, %error, "a workflow could not be completed");
        }
        drop(place);
    }

    /// Asks the workflow's backends in order, until one of them gives an answer that stands.
    async fn search(
        &self,
        customer: &Customer,
        workflow: &Workflow,
        content: &RequestContent,
        attempt: LeaseToken,
    ) -> Result<Work, StoreError> {
        let mut output = GuestOutput::default();
        let mut last = None;
        for (backend, digest) in &workflow.pins.backends {
            let adapter = match self.plugin_ref(*digest) {
                Ok(adapter) => adapter,
                Err(failure) => {
                    last = Some((Found::Trouble(Trouble::permanent(failure)), Vec::new()));
                    break;
                }
            };
            let asked = (backend, &adapter);
            let answer = match self
                .ask(customer, content, asked, attempt, &mut output)
                .await
            {
                Ok(answer) => answer,
                Err(trouble) => {
                    last = Some((Found::Trouble(trouble), Vec::new()));
                    break;
                }
            };
            let candidates: Vec<KeyedHash> = answer
                .candidates
                .iter()
                .map(|candidate| self.internal_hash(backend, &candidate.internal_id))
                .collect();
            let ground = self.ground(workflow, &candidates).await?;
            let decision = customer.settings.link.decide(answer, |internal| {
                let hash = self.internal_hash(backend, internal);
                candidates
                    .iter()
                    .zip(&ground.refused)
                    .any(|(other, no)| *no && *other == hash)
            });
            let found = match decision {
                Decision::Link(candidate) => Found::Link(candidate, backend.clone(), adapter),
                Decision::Ask(candidates) => Found::Several(candidates),
                Decision::NoResults => Found::Nobody,
            };
            let goes_on = matches!(found, Found::Nobody);
            last = Some((found, candidates));
            if !goes_on {
                break;
            }
        }
        let (found, candidates) = last.unwrap_or_else(|| {
            let failure = Failure::new(Blame::Configuration, "no-backend");
            (Found::Trouble(Trouble::permanent(failure)), Vec::new())
        });
        let ground = self.ground(workflow, &candidates).await?;
        Ok(Work {
            found,
            ground,
            candidates,
            output,
        })
    }

    pub(crate) async fn ground(
        &self,
        workflow: &Workflow,
        candidates: &[KeyedHash],
    ) -> Result<Ground, StoreError> {
        let (customer, patient) = (&workflow.customer, workflow.patient);
        self.parts
            .store
            .run(&ReadGround {
                customer,
                patient,
                candidates,
            })
            .await
    }

    /// Asks one backend.
    async fn ask(
        &self,
        customer: &Customer,
        content: &RequestContent,
        (id, adapter): (&BackendId, &PluginRef),
        attempt: LeaseToken,
        output: &mut GuestOutput,
    ) -> Result<SearchAnswer, Trouble> {
        let snapshot = self.parts.registry.snapshot();
        let Some(backend) = snapshot.backend(id) else {
            let failure = Failure::new(Blame::Configuration, "backend-unknown");
            return Err(Trouble::permanent(failure));
        };
        let config = customer.backend(id).map_or_else(
            || Arc::clone(&backend.config),
            |bound| bound.effective_config(backend),
        );
        let plugin = self.plugin(adapter).await.map_err(|failure| Trouble {
            failure,
            retryable: true,
        })?;
        let gateway = self.gateway(backend);
        let call = Call {
            config,
            gateway: Some(gateway.clone()),
        };
        let query = SearchQuery {
            request: content.body.clone(),
            attempt_id: attempt.to_string(),
            callback_url: None,
        };
        let outcome = self.parts.sandbox.search(&plugin, call, query).await;
        output.lines.extend(outcome.output.lines);
        output.dropped_bytes += outcome.output.dropped_bytes;
        match outcome.result {
            Ok(Ok(SearchOutcome::Answered(answer))) => Ok(answer),
            Ok(Ok(SearchOutcome::Pending(_))) => {
                let failure = Failure::new(Blame::Configuration, "deferred-search-not-supported");
                Err(Trouble::permanent(failure.in_plugin(adapter.clone())))
            }
            Ok(Err(guest)) => {
                let trouble = Trouble::of_guest(&guest, gateway.was_troubled(), adapter);
                add_message(output, guest.message);
                Err(trouble)
            }
            Err(error) => Err(Trouble::of_call(&error, adapter)),
        }
    }

    async fn conclude(
        self: &Arc<Self>,
        customer: &Customer,
        workflow: &Workflow,
        content: &RequestContent,
        mut lease: Lease,
        work: Work,
    ) -> Result<(), StoreError> {
        let mut output = work.output;
        if let Found::Trouble(trouble) = &work.found
            && trouble.retryable
            && workflow.executions < customer.settings.max_executions
        {
            let now = self.parts.clock.now();
            let cause = Cause::new(now, Actor::Worker, "to-be-tried-again")
                .failed(trouble.failure.clone())
                .detail(self.detail(customer, workflow, &output));
            let at = now.after(self.backoff(workflow.executions));
            self.parts
                .store
                .run(&HandBack {
                    lease: &lease,
                    at,
                    counts: true,
                    cause,
                })
                .await?;
            return Ok(());
        }
        let news = match &work.found {
            Found::Link(candidate, ..) => Some(News::Linked(candidate)),
            Found::Nobody => Some(News::NoResults),
            Found::Several(candidates) => {
                let expires_at = self
                    .parts
                    .clock
                    .now()
                    .after(customer.settings.link.choice_expiry());
                (customer.settings.link.on_ambiguity == OnAmbiguity::CustomerChoice).then_some(
                    News::Choice {
                        candidates: candidates.len(),
                        expires_at,
                    },
                )
            }
            Found::Trouble(trouble) => Some(News::Failed(&trouble.failure)),
        };
        let telling = self.tell(
            customer,
            workflow,
            content,
            news,
            work.ground.last_event + 1,
        );
        let Some(told) = self.while_leased(&mut lease, telling).await else {
            tracing::info!(workflow = %workflow.id, "the lease was lost; the work is dropped");
            return Ok(());
        };
        output.lines.extend(told.output.lines);

        let place = self.delivering.try_take(&workflow.customer);
        let now = self.parts.clock.now();
        let deliver_now = place.as_ref().map(|_| {
            (
                self.parts.entropy.lease_token(now),
                self.parts.settings.lease,
            )
        });
        let mut cause = Cause::new(now, Actor::Worker, reason(&work.found));
        if let Found::Trouble(trouble) = &work.found {
            cause = cause.failed(trouble.failure.clone());
        }
        let complete = Complete {
            workflow: workflow.id,
            by: Ok(&lease),
            verdict: self.verdict(customer, workflow, content, work.found)?,
            event: told.event.map(|event| NewEvent {
                deliver_now,
                ..event
            }),
            candidates: &work.candidates,
            ground: work.ground,
            cause: cause.detail(self.detail(customer, workflow, &output)),
        };
        match self.parts.store.run(&complete).await? {
            Completed::Done(workflow, delivery) => {
                tracing::debug!(workflow = %workflow.id, status = %workflow.status(), "processed");
                if let (Some(lease), Some(place)) = (delivery, place) {
                    let deliver = Arc::clone(self).deliver(lease, place, told.message);
                    self.tasks.spawn(deliver);
                }
            }
            Completed::Already(_) => {}
            Completed::Lost => {
                tracing::info!(workflow = %workflow.id, "the lease was lost; the work is dropped");
            }
            Completed::Changed => self.again(&lease, "ground-changed").await?,
            Completed::Contradiction(other) => {
                tracing::warn!(workflow = %workflow.id, %other, "linked by another meanwhile");
                let failure = Failure::new(Blame::Host, "already-linked");
                self.fail(&lease, workflow, failure).await?;
            }
        }
        Ok(())
    }

    fn verdict(
        &self,
        customer: &Customer,
        workflow: &Workflow,
        content: &RequestContent,
        found: Found,
    ) -> Result<Verdict, StoreError> {
        let entropy = &*self.parts.entropy;
        let id = workflow.id.as_bytes();
        let unsealed = |_: Unreadable| StoreError::Corrupt("candidates");
        Ok(match found {
            Found::Link(candidate, backend, adapter) => {
                let internal = self.internal_hash(&backend, &candidate.internal_id);
                let mapping = MappingContent {
                    patient: content.patient.clone(),
                    candidate,
                };
                let sealed =
                    seal(customer, RecordKind::Mapping, id, &mapping, entropy).map_err(unsealed)?;
                Verdict::Link(NewMapping {
                    internal,
                    backend,
                    adapter,
                    sealed,
                })
            }
            Found::Nobody => Verdict::NoResults,
            Found::Several(candidates) => Verdict::Ask {
                candidates: seal(customer, RecordKind::Candidates, id, &candidates, entropy)
                    .map_err(unsealed)?,
                expires_at: self
                    .parts
                    .clock
                    .now()
                    .after(customer.settings.link.choice_expiry()),
            },
            Found::Trouble(trouble) => Verdict::Fail(trouble.failure),
        })
    }

    /// What guests wrote, sealed; none if they wrote nothing.
    pub(crate) fn detail(
        &self,
        customer: &Customer,
        workflow: &Workflow,
        output: &GuestOutput,
    ) -> Option<Sealed> {
        if output.is_empty() {
            return None;
        }
        let text = Sensitive::new(cut(output.render().into_inner(), MOST_DETAIL));
        let id = workflow.id.as_bytes();
        seal(
            customer,
            RecordKind::GuestOutput,
            id,
            &text,
            &*self.parts.entropy,
        )
        .ok()
    }

    /// Formats what is to be told; none where there is nobody to tell, or nothing.
    pub(crate) async fn tell(
        &self,
        customer: &Customer,
        workflow: &Workflow,
        content: &RequestContent,
        news: Option<News<'_>>,
        number: u64,
    ) -> Told {
        let endpoint = content.endpoint.as_ref();
        let news = news.filter(|_| Self::tells(customer, endpoint));
        let Some(news) = news else {
            return Told::default();
        };
        let now = self.parts.clock.now();
        let id = self.parts.entropy.event_id(now);
        let to = (&content.patient, endpoint);
        let formatting = self
            .format(customer, workflow, to, (id, number, now), &news)
            .await;
        let (message, sealed) = match formatting.result {
            Ok(Formatted { sealed, content }) => (Some(content), Ok(sealed)),
            Err(failure) => {
                tracing::warn!(workflow = %workflow.id, code = failure.code, "not formatted");
                (None, Err(failure))
            }
        };
        let event = NewEvent {
            id,
            kind: news.kind(),
            message: sealed,
            deliver_now: None,
        };
        Told {
            event: Some(event),
            message,
            output: formatting.output,
        }
    }

    /// The wait after so many executions: doubling, with jitter of a half.
    fn backoff(&self, executions: u32) -> Duration {
        let settings = &self.parts.settings;
        let doublings = executions.saturating_sub(1).min(16);
        let full = settings
            .first_backoff
            .saturating_mul(1 << doublings)
            .min(settings.longest_backoff);
        let half = u64::try_from(full.as_millis()).unwrap_or(u64::MAX) / 2;
        Duration::from_millis(half + self.parts.entropy.below(half + 1))
    }

    /// Gives a workflow back at once, uncounted.
    async fn again(&self, lease: &Lease, reason: &'static str) -> Result<(), StoreError> {
        let at = self.parts.clock.now();
        let cause = Cause::new(at, Actor::Worker, reason);
        self.parts
            .store
            .run(&HandBack {
                lease,
                at,
                counts: false,
                cause,
            })
            .await
            .map(|_| ())
    }

    async fn give_up_unreadable(
        &self,
        workflow: &Workflow,
        lease: &Lease,
    ) -> Result<(), StoreError> {
        tracing::error!(workflow = %workflow.id, "its request does not open");
        self.fail(
            lease,
            workflow,
            Failure::new(Blame::Host, "request-unreadable"),
        )
        .await
    }

    /// Gives a workflow up without telling anybody: there is nothing to format an event from.
    async fn fail(
        &self,
        lease: &Lease,
        workflow: &Workflow,
        failure: Failure,
    ) -> Result<(), StoreError> {
        let ground = self.ground(workflow, &[]).await?;
        let cause = Cause::new(self.parts.clock.now(), Actor::Worker, "given-up");
        let complete = Complete {
            workflow: workflow.id,
            by: Ok(lease),
            verdict: Verdict::Fail(failure.clone()),
            event: None,
            candidates: &[],
            ground,
            cause: cause.failed(failure),
        };
        self.parts.store.run(&complete).await.map(|_| ())
    }
}

/// A formatted event, if there is one.
#[derive(Default)]
pub(crate) struct Told {
    pub(crate) event: Option<NewEvent>,
    pub(crate) message: Option<MessageContent>,
    pub(crate) output: GuestOutput,
}

const fn reason(found: &Found) -> &'static str {
    match found {
        Found::Link(..) => "linked",
        Found::Nobody => "nobody-found",
        Found::Several(_) => "several-found",
        Found::Trouble(_) => "given-up",
    }
}

/// The text up to a limit in bytes, never through a character.
fn cut(mut text: String, limit: usize) -> String {
    if text.len() > limit {
        text.truncate(text.floor_char_boundary(limit));
        text.push('…');
    }
    text
}

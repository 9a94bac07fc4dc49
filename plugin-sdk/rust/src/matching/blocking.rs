//! Which queries to ask a backend that can only search for starts of values.
//!
//! A server's string search finds no misspelling, so no one query survives every error. The plan
//! holds queries over *disjoint* fields: whichever single field is wrong, another query does not
//! use it. Knows nothing of any backend's syntax.

use super::compare::PartialDate;
use super::normalise::prefix;
use super::person::Person;

/// One condition of a query.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Criterion {
    /// Born on that day, in that month or in that year.
    BirthDate(PartialDate),
    /// A family name begins so.
    Family(String),
    /// A given name begins so.
    Given(String),
    /// A line of an address begins so.
    AddressLine(String),
    /// A postal code begins so.
    PostalCode(String),
    /// A town begins so.
    City(String),
    /// A telephone number, as the request wrote it.
    Phone(String),
    /// An e-mail address, as the request wrote it.
    Email(String),
    /// An identifier, as the request wrote it.
    Identifier(String),
}

/// Conditions that a record must all meet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockingQuery {
    /// The conditions.
    pub criteria: Vec<Criterion>,
}

impl BlockingQuery {
    /// Narrower queries, to ask in place of this one when it brings up more than can be looked at.
    /// Each adds one condition; together they still find a record with one error among the added.
    pub fn narrower(&self, patient: &Person) -> Vec<Self> {
        let has = |wanted: fn(&Criterion) -> bool| self.criteria.iter().any(wanted);
        let parts = Parts::of(patient);
        let mut added = Vec::new();
        if !has(|c| matches!(c, Criterion::Family(_))) {
            added.extend(parts.family(3));
        }
        if !has(|c| matches!(c, Criterion::Given(_))) {
            added.extend(parts.given(3));
        }
        if !has(|c| matches!(c, Criterion::BirthDate(_))) {
            added.extend(parts.birth_year());
        }
        if !has(|c| matches!(c, Criterion::PostalCode(_) | Criterion::AddressLine(_))) {
            added.extend(parts.postal_code());
        }
        added.truncate(2);
        added
            .into_iter()
            .map(|criterion| {
                let mut criteria = self.criteria.clone();
                criteria.push(criterion);
                Self { criteria }
            })
            .collect()
    }
}

/// Up to `most` queries for a patient, the one most likely to find the record first, without doubles.
/// Empty if too little is known to search.
pub fn plan(patient: &Person, most: usize) -> Vec<BlockingQuery> {
    let parts = Parts::of(patient);
    let year_month = parts.birth_month();
    let candidates: Vec<Vec<Option<Criterion>>> = vec![
        vec![parts.birth_date()],
        vec![parts.family(3), parts.given(3)],
        vec![parts.address_line()],
        vec![parts.postal_code(), parts.given(1)],
        vec![parts.family_as_given(3), parts.given_as_family(3)],
        vec![parts.postal_code(), parts.family(1)],
        vec![parts.email()],
        vec![parts.phone()],
        vec![parts.identifier()],
        vec![year_month.clone(), parts.family(2)],
        vec![year_month, parts.given(2)],
        vec![parts.city(), parts.family(2)],
        vec![parts.city(), parts.given(2)],
        vec![parts.city(), parts.postal_code()],
        // The last resort of a request that has a name and nothing else.
        vec![parts.family(5)],
    ];
    let mut plan: Vec<BlockingQuery> = Vec::new();
    for criteria in candidates {
        let Some(criteria) = criteria.into_iter().collect::<Option<Vec<_>>>() else {
            continue;
        };
        let query = BlockingQuery { criteria };
        if plan.len() < most && !plan.contains(&query) {
            plan.push(query);
        }
    }
    plan
}

/// The patient's values as conditions.
struct Parts<'a> {
    patient: &'a Person,
}

impl<'a> Parts<'a> {
    const fn of(patient: &'a Person) -> Self {
        Self { patient }
    }

    fn family_name(&self) -> Option<&'a str> {
        let names = &self.patient.names;
        names
            .iter()
            .map(|name| name.family_written.as_str())
            .find(|family| !family.is_empty())
    }

    fn given_name(&self) -> Option<&'a str> {
        self.patient
            .names
            .iter()
            .find_map(|name| name.first_given())
    }

    fn family(&self, length: usize) -> Option<Criterion> {
        Some(Criterion::Family(prefix(self.family_name()?, length)))
    }

    fn given(&self, length: usize) -> Option<Criterion> {
        Some(Criterion::Given(prefix(self.given_name()?, length)))
    }

    fn family_as_given(&self, length: usize) -> Option<Criterion> {
        Some(Criterion::Given(prefix(self.family_name()?, length)))
    }

    fn given_as_family(&self, length: usize) -> Option<Criterion> {
        Some(Criterion::Family(prefix(self.given_name()?, length)))
    }

    fn birth_date(&self) -> Option<Criterion> {
        let whole = self.patient.dob.filter(|dob| dob.date().is_some())?;
        Some(Criterion::BirthDate(whole))
    }

    fn birth_month(&self) -> Option<Criterion> {
        let dob = self.patient.dob?;
        Some(Criterion::BirthDate(PartialDate::Month(
            dob.year(),
            dob.month()?,
        )))
    }

    fn birth_year(&self) -> Option<Criterion> {
        let year = self.patient.dob?.year();
        Some(Criterion::BirthDate(PartialDate::Year(year)))
    }

    fn address_line(&self) -> Option<Criterion> {
        let mut lines = self.patient.addresses.iter().flat_map(|a| &a.written);
        // The number and the street's first letters; a line of less would find half a town.
        let line = lines.find(|line| line.chars().count() >= 5)?;
        let number = line.split(' ').next().unwrap_or_default();
        let length = if number.bytes().any(|b| b.is_ascii_digit()) {
            number.chars().count() + 4
        } else {
            6
        };
        Some(Criterion::AddressLine(prefix(line, length)))
    }

    fn postal_code(&self) -> Option<Criterion> {
        let code = self
            .patient
            .addresses
            .iter()
            .find_map(|address| address.postal_code_written.clone())?;
        Some(Criterion::PostalCode(code))
    }

    fn city(&self) -> Option<Criterion> {
        let mut cities = self
            .patient
            .addresses
            .iter()
            .filter_map(|a| a.city.as_deref());
        Some(Criterion::City(prefix(cities.next()?, 5)))
    }

    fn phone(&self) -> Option<Criterion> {
        let phone = self.patient.phones.first()?;
        Some(Criterion::Phone(phone.written.clone()))
    }

    fn email(&self) -> Option<Criterion> {
        let email = self.patient.emails.first()?;
        Some(Criterion::Email(email.written.clone()))
    }

    fn identifier(&self) -> Option<Criterion> {
        let identifier = self.patient.identifiers.first()?;
        Some(Criterion::Identifier(identifier.written.clone()))
    }
}

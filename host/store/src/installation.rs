//! Whose store this is: which key file seals what is in it, so that no process writes into a store that it
//! could not read.

use async_trait::async_trait;
use patchbay_workflow::KeyedHash;
use serde::{Deserialize, Serialize};

use crate::codec::Record;
use crate::database::{Operation, StoreError, Tx};
use crate::engine::Read;
use crate::keys;

/// `IN`: the installation that the store belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Installation {
    /// A keyed hash by which a key file is told from others.
    pub key_file: KeyedHash,
}

impl Record for Installation {
    const NAME: &'static str = "installation";
}

/// Claims the store for an installation, or finds that it is.
#[derive(Debug)]
pub struct Claim(pub Installation);

/// Whether something of another layout is in the store: another version of the program wrote it, and this one
/// does not see it.
#[derive(Debug)]
pub struct OtherLayout;

#[async_trait]
impl Operation for OtherLayout {
    type Output = bool;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<bool, StoreError> {
        for layout in keys::other_layouts() {
            if tx.first(&layout, Read::Serializable).await?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claimed {
    /// The store was nobody's.
    New,
    /// It is this installation's.
    Ours,
    /// It is another's: another key file seals what is in it.
    Others,
    /// It has another layout: another version of the program wrote it.
    OtherLayout,
}

#[async_trait]
impl Operation for Claim {
    type Output = Claimed;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Claimed, StoreError> {
        let key = keys::installation();
        let found = tx.record::<Installation>(&key, Read::Serializable).await?;
        match found {
            Some(found) if found == self.0 => Ok(Claimed::Ours),
            Some(_) => Ok(Claimed::Others),
            None => {
                if OtherLayout.run(tx).await? {
                    return Ok(Claimed::OtherLayout);
                }
                tx.put(&key, &self.0)?;
                Ok(Claimed::New)
            }
        }
    }
}

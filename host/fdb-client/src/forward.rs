//! FoundationDB's C functions, each defined here as one jump to where the library that was opened at run
//! time has it.
//!
//! # Why this is sound
//! - A forwarder is a *naked* function of a single indirect jump: it touches no argument register, no stack
//!   and no return value, so it is correct for every signature, and the signatures stay where they are
//!   checked: in the bindings that `foundationdb-sys` generates from FoundationDB's header.
//! - A slot holds either [`absent`], which ends the process, or the address that the dynamic linker gave
//!   for exactly this name in a library whose API version was checked ([`crate::library`]). It is written
//!   before the first call (`start` fails otherwise, and nothing calls FoundationDB without it), and the
//!   library is never closed.
//! - A slot is an `AtomicPtr` and is read by the jump as one aligned word, which is how a relaxed load of it
//!   is compiled on both architectures. The writes happen before the reads: they precede the start of the
//!   network thread and the hand-over of the first database to other threads.

#![allow(unsafe_code, reason = "see the argument above")]

use std::arch::naked_asm;
use std::ffi::c_void;
use std::sync::atomic::{AtomicPtr, Ordering};

/// Where a call goes for which no library was opened. It cannot happen; if it did, there would be nothing
/// sensible to return.
extern "C" fn absent() {
    std::process::abort();
}

macro_rules! forward {
    ($($name:ident)+) => {
        mod slots {
            use super::{AtomicPtr, absent, c_void};
            $(
                #[allow(non_upper_case_globals, reason = "named after the function")]
                pub(super) static $name: AtomicPtr<c_void> = AtomicPtr::new(absent as *mut c_void);
            )+
        }

        mod functions {
            use super::{naked_asm, slots};
            $(
                #[unsafe(naked)]
                #[unsafe(no_mangle)]
                pub(super) unsafe extern "C" fn $name() {
                    #[cfg(target_arch = "x86_64")]
                    naked_asm!("jmp qword ptr [rip + {slot}]", slot = sym slots::$name);
                    #[cfg(target_arch = "aarch64")]
                    naked_asm!(
                        "adrp x16, {slot}",
                        "ldr x16, [x16, :lo12:{slot}]",
                        "br x16",
                        slot = sym slots::$name
                    );
                }
            )+
        }

        /// Every function with its slot. The forwarders are named too, so that the linker takes them in
        /// with the first thing that uses this table.
        static TABLE: &[(&str, &AtomicPtr<c_void>, unsafe extern "C" fn())] = &[
            $((stringify!($name), &slots::$name, functions::$name)),+
        ];
    };
}

// What version 0.11 of the `foundationdb` crate calls. The linker names what would be missing here.
forward! {
    fdb_create_database
    fdb_database_create_transaction
    fdb_database_destroy
    fdb_database_get_client_status
    fdb_database_get_main_thread_busyness
    fdb_database_open_tenant
    fdb_database_set_option
    fdb_error_predicate
    fdb_future_destroy
    fdb_future_get_error
    fdb_future_get_int64
    fdb_future_get_key
    fdb_future_get_key_array
    fdb_future_get_keyvalue_array
    fdb_future_get_mappedkeyvalue_array
    fdb_future_get_string_array
    fdb_future_get_value
    fdb_future_is_ready
    fdb_future_set_callback
    fdb_get_error
    fdb_get_max_api_version
    fdb_network_set_option
    fdb_run_network
    fdb_select_api_version_impl
    fdb_setup_network
    fdb_stop_network
    fdb_tenant_create_transaction
    fdb_tenant_destroy
    fdb_transaction_add_conflict_range
    fdb_transaction_atomic_op
    fdb_transaction_cancel
    fdb_transaction_clear
    fdb_transaction_clear_range
    fdb_transaction_commit
    fdb_transaction_destroy
    fdb_transaction_get
    fdb_transaction_get_addresses_for_key
    fdb_transaction_get_approximate_size
    fdb_transaction_get_committed_version
    fdb_transaction_get_estimated_range_size_bytes
    fdb_transaction_get_key
    fdb_transaction_get_mapped_range
    fdb_transaction_get_range
    fdb_transaction_get_range_split_points
    fdb_transaction_get_read_version
    fdb_transaction_get_versionstamp
    fdb_transaction_on_error
    fdb_transaction_reset
    fdb_transaction_set
    fdb_transaction_set_option
    fdb_transaction_set_read_version
    fdb_transaction_watch
}

/// Fills every slot from `address_of`; gives the first name that it does not know. Until all are known
/// none is written.
pub(crate) fn fill(address_of: impl Fn(&str) -> Option<*mut c_void>) -> Result<(), &'static str> {
    let mut addresses = Vec::with_capacity(TABLE.len());
    for &(name, ..) in TABLE {
        addresses.push(address_of(name).ok_or(name)?);
    }
    for (&(_, slot, forwarder), address) in TABLE.iter().zip(addresses) {
        std::hint::black_box(forwarder);
        slot.store(address, Ordering::Release);
    }
    Ok(())
}

//! The socket functions that Rust's standard library expects of the C library on `wasm32-wasip2`, for
//! one that was made before there were any: each says that it failed. Components run without a network
//! anyway.

#![no_std]
#![allow(unsafe_code)]

use core::ffi::{CStr, c_char, c_int, c_void};

const FAILED: c_int = -1;
const EAI_FAIL: c_int = -4;
const NO_NETWORK: &CStr = c"there is no network";

#[unsafe(no_mangle)]
extern "C" fn socket(_domain: c_int, _kind: c_int, _protocol: c_int) -> c_int {
    FAILED
}

#[unsafe(no_mangle)]
extern "C" fn bind(_socket: c_int, _address: *const c_void, _length: u32) -> c_int {
    FAILED
}

#[unsafe(no_mangle)]
extern "C" fn connect(_socket: c_int, _address: *const c_void, _length: u32) -> c_int {
    FAILED
}

#[unsafe(no_mangle)]
extern "C" fn listen(_socket: c_int, _backlog: c_int) -> c_int {
    FAILED
}

#[unsafe(no_mangle)]
extern "C" fn getsockname(_socket: c_int, _address: *mut c_void, _length: *mut u32) -> c_int {
    FAILED
}

#[unsafe(no_mangle)]
extern "C" fn getpeername(_socket: c_int, _address: *mut c_void, _length: *mut u32) -> c_int {
    FAILED
}

#[unsafe(no_mangle)]
extern "C" fn setsockopt(
    _socket: c_int,
    _level: c_int,
    _name: c_int,
    _value: *const c_void,
    _length: u32,
) -> c_int {
    FAILED
}

#[unsafe(no_mangle)]
extern "C" fn sendto(
    _socket: c_int,
    _bytes: *const c_void,
    _count: usize,
    _flags: c_int,
    _address: *const c_void,
    _length: u32,
) -> isize {
    -1
}

#[unsafe(no_mangle)]
extern "C" fn recvfrom(
    _socket: c_int,
    _bytes: *mut c_void,
    _count: usize,
    _flags: c_int,
    _address: *mut c_void,
    _length: *mut u32,
) -> isize {
    -1
}

#[unsafe(no_mangle)]
extern "C" fn getaddrinfo(
    _node: *const c_char,
    _service: *const c_char,
    _hints: *const c_void,
    _result: *mut *mut c_void,
) -> c_int {
    EAI_FAIL
}

#[unsafe(no_mangle)]
extern "C" fn freeaddrinfo(_addresses: *mut c_void) {}

#[unsafe(no_mangle)]
extern "C" fn gai_strerror(_error: c_int) -> *const c_char {
    NO_NETWORK.as_ptr()
}

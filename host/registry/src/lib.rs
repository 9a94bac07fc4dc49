//! Customers, tokens, plugins, bindings, backends and the audit log, in SQL.

//! Tables over objects (CorfuStore's tables): rows with a primary key, secondary indexes that transactions keep up to date,
//! and the changes of rows from any version that history has.
//!
//! A table is a [`Map`](super::Map) of its rows and an [`Index`](super::Index) for each secondary index. So its transactions are those of
//! the objects, and other objects can take part in them. A transaction that only reads sees all tables at one version.
//!
//! - [`Row`]: what a program's row says of itself; [`Table`]: the calls; [`TableError`]: why a call failed
//! - [`OpenTableError`]: why a table could not be opened; `complete_indexes`: fills an index that a table got later
//! - `index_key`: the key of a row in a secondary index
//! - [`RowChanges`], [`RowChange`]: the changes of rows

mod complete_indexes;
mod index_key;
mod open_table_error;
mod row;
mod row_change;
mod table;
mod table_error;

pub use open_table_error::OpenTableError;
pub use row::Row;
pub use row_change::{RowChange, RowChanges};
pub use table::Table;
pub use table_error::TableError;

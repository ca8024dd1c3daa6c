//! Settings that say themselves what they are: the doc comments of the structs that `naru.toml` is read into are also what
//! `naru config example` prints, so that the two cannot differ.
//!
//! Knows neither files nor the environment: `layers` does.

/// One setting, or one table of settings.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// Its name in its table.
    pub name: &'static str,
    /// Its doc comment, line by line.
    pub doc: &'static [&'static str],
    /// A value as it could stand in the file.
    pub example: &'static str,
    /// Whether that value also holds where nothing else is said.
    pub default: bool,
}

/// A table inside `naru.toml`.
#[derive(Debug, Clone, Copy)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// Its doc comment, line by line.
    pub doc: &'static [&'static str],
    /// Its settings.
    pub fields: &'static [Field],
    /// A node may do without it.
    pub optional: bool,
}

/// A struct with its settings.
pub trait Documented {
    /// The settings, in order.
    const FIELDS: &'static [Field];
}

/// Makes a struct and its [`Documented`]. Each field has its example behind `=`; `default` behind it says that the example is
/// what holds where nobody says otherwise.
macro_rules! documented {
    ($(#[doc = $about:literal])+ pub struct $name:ident {
        $($(#[doc = $doc:literal])+ $field:ident: $type:ty = $example:literal $($default:ident)?;)*
        $(tables { $($(#[doc = $table_doc:literal])+ $(#[serde($($serde:tt)*)])? $table:ident: $table_type:ty;)* })?
    }) => {
        $(#[doc = $about])+
        #[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            $($(#[doc = $doc])+ pub $field: $type,)*
            $($($(#[doc = $table_doc])+ $(#[serde($($serde)*)])? pub $table: $table_type,)*)?
        }

        impl $crate::config::documented::Documented for $name {
            const FIELDS: &'static [$crate::config::documented::Field] = &[$($crate::config::documented::Field {
                name: stringify!($field),
                doc: &[$($doc),+],
                example: $example,
                default: !<[&str]>::is_empty(&[$(stringify!($default))?]),
            }),*];
        }
    };
}

pub(super) use documented;

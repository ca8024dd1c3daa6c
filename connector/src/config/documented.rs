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
    /// What holds where nobody says anything.
    pub unsaid: Unsaid,
}

/// What holds where nobody says what a setting is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsaid {
    /// Nothing: it has to be said.
    Required,
    /// The example.
    Example,
    /// The setting is absent, which its doc says the meaning of.
    Absent,
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
    /// Its doc comment, line by line.
    const ABOUT: &'static [&'static str];
    /// The settings, in order.
    const FIELDS: &'static [Field];
}

/// Makes a struct and its [`Documented`]. Each field has its example behind `=`; `default` behind it says that the example is
/// what holds where nobody says otherwise, `optional` that it may be absent.
macro_rules! documented {
    (@unsaid) => { $crate::config::documented::Unsaid::Required };
    (@unsaid default) => { $crate::config::documented::Unsaid::Example };
    (@unsaid optional) => { $crate::config::documented::Unsaid::Absent };
    ($(#[doc = $about:literal])+ $(#[derive($more:ident)])? pub struct $name:ident {
        $($(#[doc = $doc:literal])+ $(#[serde($($how:tt)*)])? $field:ident: $type:ty = $example:literal $($unsaid:ident)?;)*
        $(tables { $($(#[doc = $table_doc:literal])+ $(#[serde($($serde:tt)*)])? $table:ident: $table_type:ty;)* })?
    }) => {
        $(#[doc = $about])+
        #[derive(Debug, Clone, PartialEq, Eq, $($more,)? serde::Serialize, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            $($(#[doc = $doc])+ $(#[serde($($how)*)])? pub $field: $type,)*
            $($($(#[doc = $table_doc])+ $(#[serde($($serde)*)])? pub $table: $table_type,)*)?
        }

        impl $crate::config::documented::Documented for $name {
            const ABOUT: &'static [&'static str] = &[$($about),+];
            const FIELDS: &'static [$crate::config::documented::Field] = &[$($crate::config::documented::Field {
                name: stringify!($field),
                doc: &[$($doc),+],
                example: $example,
                unsaid: $crate::config::documented::documented!(@unsaid $($unsaid)?),
            }),*];
        }
    };
}

pub(super) use documented;

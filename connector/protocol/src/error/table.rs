//! What a row of the table of codes becomes: a variant, its place in `ALL`, and what it says. The rows are in `codes`.

macro_rules! codes {
    ($($variant:ident $text:literal $status:literal $side:ident
        $en_title:literal $en_hint:literal
        $ko_title:literal $ko_hint:literal;)*) => {
        /// A stable code: what programs match on.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $(#[doc = concat!($en_title, " (`", $text, "`).")] $variant,)*
        }

        impl Code {
            /// All codes, in the order of the specification.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            pub(super) const fn row(self) -> &'static Row {
                match self {
                    $(Self::$variant => &Row {
                        text: $text,
                        status: $status,
                        side: Side::$side,
                        en: [$en_title, $en_hint],
                        ko: [$ko_title, $ko_hint],
                    },)*
                }
            }
        }
    };
}

pub(super) use codes;

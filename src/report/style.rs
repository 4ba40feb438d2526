//! Colours and their meanings, in one place.

/// Whether to colour at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    Plain,
    Coloured,
}

impl Style {
    /// What comes to be.
    pub fn good(self, text: &str) -> String {
        self.paint("32", text)
    }

    /// What changes, or deserves a second look.
    pub fn care(self, text: &str) -> String {
        self.paint("33", text)
    }

    /// What goes or failed.
    pub fn bad(self, text: &str) -> String {
        self.paint("31", text)
    }

    /// What names a thing.
    pub fn name(self, text: &str) -> String {
        self.paint("1", text)
    }

    /// What may be passed over.
    pub fn faint(self, text: &str) -> String {
        self.paint("2", text)
    }

    /// The colour of a plan's glyph.
    pub fn glyph(self, glyph: &str) -> String {
        match glyph {
            "+" => self.good(glyph),
            "-" => self.bad(glyph),
            _ => self.care(glyph),
        }
    }

    fn paint(self, code: &str, text: &str) -> String {
        match self {
            Self::Plain => text.to_owned(),
            Self::Coloured => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
        }
    }
}

//! The sentences: `Contractors in Sales or Legal based in Berlin have no okta and slack.`
//!
//! ```text
//! rule    = who ("has" | "have") ["no"] systems "."
//!         | "For" who "," systems ("keeps" | "keep") kept "."
//! who     = ("Everybody" | "People" | "Employees" | "Contractors" | "Service accounts") { ["and"] condition }
//! condition = ("in" | "based in" | "with clearance" | "working as" | "named") name { "or" name }
//! ```
//! A name that holds one of these words stands in double quotes.

use super::{Attribute, Rule, Says, Who, folded};
use crate::{
    id::{SystemId, Username},
    plan::ActionKind,
};
use std::{collections::BTreeSet, str::FromStr};

/// Longest sentence, in characters.
const MAX_LENGTH: usize = 1_000;

/// How a condition begins, and what of a person it asks for.
pub const CONDITIONS: [(&str, Attribute); 5] = [
    ("in", Attribute::Department),
    ("based in", Attribute::Location),
    ("with clearance", Attribute::Clearance),
    ("working as", Attribute::Role),
    ("named", Attribute::Username),
];

/// What a rule can leave alone. The account itself is not among it: without disabling that, nothing is contained.
pub const KEPT: [(&str, ActionKind); 9] = [
    ("sessions", ActionKind::EndSessions),
    ("tokens", ActionKind::RevokeToken),
    ("keys", ActionKind::DisableApiKey),
    ("factors", ActionKind::RemoveFactor),
    ("groups", ActionKind::RemoveGroup),
    ("delegations", ActionKind::RemoveDelegation),
    ("licences", ActionKind::RemoveLicence),
    ("records", ActionKind::RecordEnd),
    ("tickets", ActionKind::OpenTicket),
];

const GROUPS: [(&str, Option<&str>); 5] = [
    ("everybody", None),
    ("people", None),
    ("employees", Some("employee")),
    ("contractors", Some("contractor")),
    ("service accounts", Some("service")),
];

/// Words that end a name.
const STOPS: [&str; 10] = ["or", "and", "in", "based", "with", "working", "named", "has", "have", ","];

/// Why a sentence is no rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadRule {
    /// A word that cannot stand where it stands.
    #[error("“{word}” was not understood; here could stand {expected}")]
    Word {
        /// The word.
        word: String,
        /// What could stand there.
        expected: String,
    },
    /// The sentence stops too early.
    #[error("the sentence ends where {expected} should stand")]
    Ends {
        /// What is missing.
        expected: String,
    },
    /// Two conditions that nobody can fulfil together.
    #[error("it never matches: nobody is both {one} and {other}")]
    Never {
        /// One.
        one: String,
        /// The other.
        other: String,
    },
    /// Too long, or a quote that is not closed.
    #[error("{0}")]
    Text(&'static str),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Word {
    text: String,
    quoted: bool,
}

impl Word {
    fn is(&self, text: &str) -> bool {
        !self.quoted && self.text.eq_ignore_ascii_case(text)
    }
}

fn words(sentence: &str) -> Result<Vec<Word>, BadRule> {
    if sentence.chars().count() > MAX_LENGTH {
        return Err(BadRule::Text("a sentence has at most 1,000 characters"));
    }
    let sentence = sentence.trim();
    let mut found = Vec::new();
    // Every second part stands in quotes.
    for (index, part) in sentence.strip_suffix('.').unwrap_or(sentence).split('"').enumerate() {
        if index % 2 == 1 {
            found.push(Word { text: part.to_owned(), quoted: true });
            continue;
        }
        for text in part.replace(',', " , ").split_whitespace() {
            found.push(Word { text: text.to_owned(), quoted: false });
        }
    }
    if sentence.matches('"').count() % 2 == 1 {
        return Err(BadRule::Text("a double quote is not closed"));
    }
    Ok(found)
}

/// What is still to be read.
struct Reader<'a> {
    words: &'a [Word],
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<&'a Word> {
        self.words.first()
    }

    fn next(&mut self) -> Option<&'a Word> {
        let (first, rest) = self.words.split_first()?;
        self.words = rest;
        Some(first)
    }

    /// Takes a phrase of one or more words where it stands next.
    fn take(&mut self, phrase: &str) -> bool {
        let parts = phrase.split(' ').count();
        let stands =
            parts <= self.words.len() && phrase.split(' ').zip(self.words).all(|(part, word)| word.is(part));
        if stands {
            self.words = self.words.get(parts..).unwrap_or_default();
        }
        stands
    }

    fn take_any(&mut self, phrases: &[&str]) -> bool {
        phrases.iter().any(|phrase| self.take(phrase))
    }

    fn wrong(&self, expected: impl Into<String>) -> BadRule {
        let expected = expected.into();
        match self.peek() {
            Some(word) => BadRule::Word { word: word.text.clone(), expected },
            None => BadRule::Ends { expected },
        }
    }

    fn who(&mut self) -> Result<Who, BadRule> {
        let Some((_, employment)) = GROUPS.iter().find(|(name, _)| self.take(name)) else {
            return Err(self.wrong("one of Everybody, People, Employees, Contractors, Service accounts"));
        };
        let mut who = Who::default();
        if let Some(employment) = employment {
            who.0.insert(Attribute::Employment, [(*employment).to_owned()].into());
        }
        loop {
            let linked = self.take("and");
            let Some((_, attribute)) = CONDITIONS.iter().find(|(begins, _)| self.take(begins)) else {
                let conditions = CONDITIONS.map(|(begins, _)| begins).join(", ");
                return if linked { Err(self.wrong(format!("one of {conditions}"))) } else { Ok(who) };
            };
            let values = self.names(*attribute)?;
            let all = who.0.entry(*attribute).or_insert_with(|| values.clone());
            let both: BTreeSet<String> = all.intersection(&values).cloned().collect();
            if both.is_empty() {
                let shown = |of: &BTreeSet<String>| of.iter().cloned().collect::<Vec<_>>().join(" or ");
                return Err(BadRule::Never { one: shown(all), other: shown(&values) });
            }
            *all = both;
        }
    }

    fn names(&mut self, attribute: Attribute) -> Result<BTreeSet<String>, BadRule> {
        let mut found = BTreeSet::new();
        loop {
            found.insert(self.name(attribute)?);
            if !self.take("or") {
                return Ok(found);
            }
        }
    }

    fn name(&mut self, attribute: Attribute) -> Result<String, BadRule> {
        let expected = match attribute {
            Attribute::Department => "the name of a department",
            Attribute::Location => "the name of a location",
            Attribute::Clearance => "a clearance",
            Attribute::Role => "a role",
            Attribute::Username | Attribute::Employment => "a username",
        };
        let begins = self.words;
        let mut parts: Vec<&str> = Vec::new();
        while let Some(word) = self.peek() {
            if STOPS.iter().any(|stop| word.is(stop)) {
                break;
            }
            parts.push(&word.text);
            self.next();
            if word.quoted {
                break;
            }
        }
        let name = folded(&parts.join(" "));
        if name.is_empty() {
            return Err(self.wrong(expected));
        }
        if attribute == Attribute::Username && parts.join(" ").parse::<Username>().is_err() {
            return Err(Reader { words: begins }.wrong(expected));
        }
        Ok(name)
    }

    fn systems(&mut self, may_say_or: bool) -> Result<BTreeSet<SystemId>, BadRule> {
        let mut found = BTreeSet::new();
        loop {
            let expected = "the id of a system, such as github";
            let id = self.peek().filter(|word| !["and", "or", "keeps", "keep"].iter().any(|no| word.is(no)));
            let id = id.and_then(|word| word.text.parse().ok()).ok_or_else(|| self.wrong(expected))?;
            found.insert(id);
            self.next();
            if !self.goes_on(may_say_or) {
                return Ok(found);
            }
        }
    }

    /// Takes what stands between two members of a list.
    fn goes_on(&mut self, may_say_or: bool) -> bool {
        let comma = self.take(",");
        let word = if may_say_or { self.take_any(&["and", "or"]) } else { self.take("and") };
        comma || word
    }

    fn kept(&mut self) -> Result<BTreeSet<ActionKind>, BadRule> {
        let mut found = BTreeSet::new();
        if self.take("nothing") {
            return Ok(found);
        }
        loop {
            let Some((_, kind)) = KEPT.iter().find(|(name, _)| self.take(name)) else {
                let known = KEPT.map(|(name, _)| name).join(", ");
                return Err(self.wrong(format!("one of {known}, nothing")));
            };
            found.insert(*kind);
            if !self.goes_on(false) {
                return Ok(found);
            }
        }
    }

    fn end(&self, expected: &str) -> Result<(), BadRule> {
        if self.words.is_empty() { Ok(()) } else { Err(self.wrong(expected)) }
    }
}

impl FromStr for Rule {
    type Err = BadRule;

    fn from_str(sentence: &str) -> Result<Self, BadRule> {
        let words = words(sentence)?;
        let mut reader = Reader { words: &words };
        let (who, says, systems) = if reader.take("for") {
            let who = reader.who()?;
            if !reader.take(",") {
                return Err(
                    reader.wrong("a comma before the systems, `or` before another name, or a condition")
                );
            }
            let systems = reader.systems(false)?;
            if !reader.take_any(&["keeps", "keep"]) {
                return Err(reader.wrong("`and` before another system, or `keeps`"));
            }
            let kept = reader.kept()?;
            reader.end("`and` before something else that is kept, or the end of the sentence")?;
            (who, Says::Keeps(kept), systems)
        } else {
            let who = reader.who()?;
            if !reader.take_any(&["has", "have"]) {
                let conditions = CONDITIONS.map(|(begins, _)| begins).join(", ");
                return Err(reader.wrong(format!("has, have, or a condition ({conditions})")));
            }
            let no = reader.take("no");
            let systems = reader.systems(no)?;
            reader.end("`and` before another system, or the end of the sentence")?;
            (who, if no { Says::HasNot } else { Says::Has }, systems)
        };
        Ok(Self { sentence: sentence.trim().to_owned(), who, says, systems })
    }
}

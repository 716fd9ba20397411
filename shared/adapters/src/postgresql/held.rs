//! What a role holds, as the id of a grant: enough to take it away and to give it again as it was.

use serde::Deserialize;

/// Membership of another role.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Membership {
    /// The role of which this one is a member.
    pub(super) role: String,
    /// Who granted it, where the server tells memberships by several grantors apart (from version 16 on).
    pub(super) grantor: Option<String>,
    /// Whether it may be granted on.
    pub(super) admin: bool,
    /// Whether what the role may do is inherited.
    pub(super) inherit: bool,
    /// Whether SET ROLE is allowed.
    pub(super) set: bool,
}

/// Privileges on one object, granted by one role.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Privileges {
    /// The database that the object lies in; empty for what the whole server shares.
    #[serde(default)]
    pub(super) database: String,
    /// The word for it in GRANT, or `COLUMN` or `DEFAULT`.
    pub(super) kind: String,
    /// The object's name as the server quotes it.
    pub(super) object: String,
    /// The column, or the kind of objects to come; otherwise empty.
    pub(super) part: String,
    /// The privileges, each with whether it may be granted on.
    pub(super) held: Vec<(String, bool)>,
    /// Who granted them, where it is not the owner.
    pub(super) grantor: Option<String>,
}

/// What a grant's id says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Held {
    /// An attribute of the role, by its keyword.
    Attribute(&'static str),
    /// Membership.
    Membership(Membership),
    /// Privileges.
    Privileges(Privileges),
}

/// The attributes that can be taken away, and whether they administer others or reach everybody's data.
pub(super) const ATTRIBUTES: [(&str, bool); 5] = [
    ("SUPERUSER", true),
    ("CREATEROLE", true),
    ("REPLICATION", true),
    ("BYPASSRLS", true),
    ("CREATEDB", false),
];

fn escaped(text: &str) -> String {
    text.replace('%', "%25").replace('/', "%2F")
}

fn plain(text: &str) -> String {
    text.replace("%2F", "/").replace("%25", "%")
}

impl Held {
    /// The id.
    pub(super) fn id(&self) -> String {
        match self {
            Self::Attribute(name) => format!("attribute/{name}"),
            Self::Membership(of) => {
                let flags = [(of.admin, "admin"), (!of.inherit, "noinherit"), (!of.set, "noset")];
                let mut parts = vec!["member".to_owned(), escaped(&of.role)];
                parts.extend(flags.iter().filter(|(is_so, _)| *is_so).map(|(_, flag)| (*flag).to_owned()));
                parts.extend(of.grantor.as_ref().map(|grantor| format!("by={}", escaped(grantor))));
                parts.join("/")
            }
            Self::Privileges(of) => {
                let star = |(name, on): &(String, bool)| format!("{name}{}", if *on { "*" } else { "" });
                let held = of.held.iter().map(star).collect::<Vec<_>>().join(",");
                let parts = [&of.database, &of.kind, &of.object, &of.part, &held].map(|part| escaped(part));
                let by = of.grantor.as_ref().map(|grantor| format!("/by={}", escaped(grantor)));
                format!("privilege/{}{}", parts.join("/"), by.unwrap_or_default())
            }
        }
    }

    /// What an id says; `None` for a text that is none.
    pub(super) fn parse(id: &str) -> Option<Self> {
        let parts: Vec<&str> = id.split('/').collect();
        match parts.as_slice() {
            ["attribute", name] => {
                ATTRIBUTES.iter().find(|(known, _)| known == name).map(|(known, _)| Self::Attribute(known))
            }
            ["member", role, options @ ..] if !role.is_empty() => membership(role, options),
            ["privilege", database, kind, object, part, held] => {
                privileges([database, kind, object, part], held, None)
            }
            ["privilege", database, kind, object, part, held, by] => {
                privileges([database, kind, object, part], held, Some(by.strip_prefix("by=")?))
            }
            _ => None,
        }
    }

    /// Whether it gives the same, whoever granted it.
    pub(super) fn gives_as(&self, other: &Self) -> bool {
        let nobodys = |held: &Self| match held {
            Self::Membership(of) => Self::Membership(Membership { grantor: None, ..of.clone() }),
            Self::Privileges(of) => Self::Privileges(Privileges { grantor: None, ..of.clone() }),
            Self::Attribute(name) => Self::Attribute(name),
        };
        nobodys(self) == nobodys(other)
    }

    /// Whether all that it gives is among what is held.
    pub(super) fn is_covered(&self, by: &[Self]) -> bool {
        by.iter().any(|held| self.gives_as(held))
            || match self {
                Self::Attribute(_) => false,
                Self::Membership(of) => by.iter().any(|held| {
                    matches!(held, Self::Membership(had) if had.role == of.role
                        && had.admin >= of.admin && had.inherit >= of.inherit && had.set >= of.set)
                }),
                Self::Privileges(of) => {
                    let same = |had: &&Privileges| {
                        (&had.database, &had.kind, &had.object, &had.part)
                            == (&of.database, &of.kind, &of.object, &of.part)
                    };
                    let had: Vec<&(String, bool)> = by
                        .iter()
                        .filter_map(|held| if let Self::Privileges(had) = held { Some(had) } else { None })
                        .filter(same)
                        .flat_map(|had| &had.held)
                        .collect();
                    of.held.iter().all(|(name, on)| had.iter().any(|(n, o)| n == name && o >= on))
                }
            }
    }

    /// For people.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Attribute(name) => (*name).to_owned(),
            Self::Membership(of) if of.admin => format!("{} (may be granted on)", of.role),
            Self::Membership(of) => of.role.clone(),
            Self::Privileges(of) => {
                let on = |on: bool| if on { " (may be granted on)" } else { "" };
                let held: Vec<String> =
                    of.held.iter().map(|(name, is_on)| format!("{name}{}", on(*is_on))).collect();
                let part = if of.part.is_empty() { String::new() } else { format!(" {}", of.part) };
                let place =
                    if of.database.is_empty() { String::new() } else { format!(" in {}", of.database) };
                format!("{} on {} {}{part}{place}", held.join(", "), of.kind.to_lowercase(), of.object)
            }
        }
    }
}

fn membership(role: &str, options: &[&str]) -> Option<Held> {
    let mut of = Membership { role: plain(role), grantor: None, admin: false, inherit: true, set: true };
    for option in options {
        match (*option, option.strip_prefix("by=")) {
            ("admin", _) => of.admin = true,
            ("noinherit", _) => of.inherit = false,
            ("noset", _) => of.set = false,
            (_, Some(grantor)) => of.grantor = Some(plain(grantor)),
            _ => return None,
        }
    }
    Some(Held::Membership(of))
}

fn privileges(of: [&str; 4], held: &str, grantor: Option<&str>) -> Option<Held> {
    let [database, kind, object, part] = of.map(plain);
    let one = |text: &str| {
        let (name, on) = text.strip_suffix('*').map_or((text, false), |name| (name, true));
        let is_word = !name.is_empty() && name.chars().all(|c| c.is_ascii_uppercase() || c == ' ');
        is_word.then(|| (name.to_owned(), on))
    };
    let held = held.split(',').map(one).collect::<Option<Vec<_>>>()?;
    let known = !object.is_empty() && super::sql::KINDS.contains(&kind.as_str());
    known.then(|| {
        Held::Privileges(Privileges { database, kind, object, part, held, grantor: grantor.map(plain) })
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a suite fails by panicking")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_id_says_what_it_was_made_of(
            role in ".+", by in proptest::option::of(".+"), flags: (bool, bool, bool), database in ".*", object in ".+", part in ".*"
        ) {
            let (admin, inherit, set) = flags;
            let member = Held::Membership(Membership { role, grantor: by.clone(), admin, inherit, set });
            prop_assert_eq!(Held::parse(&member.id()), Some(member));
            let held = vec![("SELECT".to_owned(), admin), ("ALTER SYSTEM".to_owned(), set)];
            let of = Privileges { database, kind: "TABLE".into(), object, part, held, grantor: by };
            let privileges = Held::Privileges(of);
            prop_assert_eq!(Held::parse(&privileges.id()), Some(privileges));
        }
    }

    #[test]
    fn what_is_no_id_is_not_taken_for_one() {
        let bad = [
            "",
            "engineering",
            "member",
            "member/",
            "member/a/unknown",
            "attribute/LOGIN",
            "privilege/a/TABLE/t//",
            "privilege/a/TABLE/t//select",
            "privilege/a/TABLE///SELECT",
            "privilege/a/CAR/t//SELECT",
            "privilege/a/TABLE/t//SELECT;DROP",
            "privilege/a/TABLE/t//SELECT/else",
        ];
        for id in bad {
            assert_eq!(Held::parse(id), None, "{id}");
        }
    }

    #[test]
    fn the_same_by_another_grantor_gives_the_same() {
        let of = |id: &str| Held::parse(id).unwrap();
        assert!(of("member/a/by=x").gives_as(&of("member/a")));
        assert!(!of("member/a/admin").gives_as(&of("member/a")));
        assert!(of("privilege/d/TABLE/t//SELECT/by=x").gives_as(&of("privilege/d/TABLE/t//SELECT")));
        assert!(!of("privilege/d/TABLE/t//SELECT*").gives_as(&of("privilege/d/TABLE/t//SELECT")));
    }

    #[test]
    fn two_grantors_can_give_together_what_one_gave_before() {
        let of = |id: &str| Held::parse(id).unwrap();
        let now = ["privilege/d/TABLE/t//INSERT,SELECT*", "member/a/admin"].map(of);
        for id in ["privilege/d/TABLE/t//SELECT/by=x", "privilege/d/TABLE/t//INSERT", "member/a/by=x"] {
            assert!(of(id).is_covered(&now), "{id}");
        }
        for id in
            ["privilege/d/TABLE/t//INSERT*", "privilege/d/TABLE/u//SELECT", "member/b", "attribute/CREATEDB"]
        {
            assert!(!of(id).is_covered(&now), "{id}");
        }
    }

    #[test]
    fn names_are_for_people() {
        let name = |id: &str| Held::parse(id).unwrap().name();
        assert_eq!(name("member/engineering/admin/by=x"), "engineering (may be granted on)");
        let column = "privilege/app/COLUMN/shop.orders/total/SELECT*,UPDATE";
        assert_eq!(name(column), "SELECT (may be granted on), UPDATE on column shop.orders total in app");
    }
}

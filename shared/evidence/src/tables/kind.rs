//! The kinds of exceptions.

macro_rules! kinds {
    ($($variant:ident $name:literal $grave:literal $meaning:literal,)*) => {
        /// What kind of exception. The gravest first.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Kind {
            $(#[doc = $meaning] $variant,)*
        }

        impl Kind {
            /// Every kind, the gravest first.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// Whether somebody should look at it. What is not grave is in the pack because auditors ask for it.
            pub fn is_grave(self) -> bool {
                match self { $(Self::$variant => $grave),* }
            }

            /// What it means, in one sentence.
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning),* }
            }

            /// The name in tables.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }
        }
    };
}

kinds! {
    Late "late" true "A case was not done in the time that its policy allows.",
    Failed "failed" true "Attempts or independent reads of a system failed; the last is told.",
    Unapproved "unapproved" true "Something was done, or came into force, without the decision that it needed.",
    Unreviewed "unreviewed" true "An emergency that nobody who may has reviewed.",
    Overdue "overdue" true "A measure is in force by its rows, though its end is past, or what it gave could not be taken back.",
    Denied "denied" true "A human said no, so that access to a system was left as it was.",
    Expired "approval_expired" true "Nobody decided about a system in time, and nothing was changed in it.",
    TaskOpened "task_opened" true "Its owner was given what leaver could not finish, or a review is owed.",
    AwaitingApproval "awaiting_approval" true "A flagged system, or a request, waits for a decision, and nothing was changed.",
    Held "held" true "A case was stopped before anything was done, and waits to be let go on.",
    Mistake "wrongful_revocation" true "Access that an earlier case took by mistake came back.",
    Finding "finding" true "Something that a human should know.",
    OpenCase "open_case" true "A case is not closed.",
    Emergency "emergency" false "The risk gate was passed at once, or access came back as an emergency.",
    InForce "in_force" false "An exception, a grant or another measure is in force: what, until when, and who approved it.",
    Over "over" false "A measure was in force in the period, or was brought about in it, and is over.",
    Refused "refused" false "A request was denied, or nobody decided in time, or it could not be brought about; nothing was done.",
    Released "released" false "A case that had been stopped was let go on.",
    Cancelled "cancelled" false "A case was called off before anything was done.",
    TaskClosed "task_closed" false "An owner did by hand what leaver could not finish, or a review was done: who, and with what.",
    Residual "residual" false "Access that is known to live on after its revocation, and until when; or that could not be given back.",
    NotApplicable "not_applicable" false "The person had no account in a system.",
    DryRun "dry_run" false "A case in which nothing was to be done.",
}

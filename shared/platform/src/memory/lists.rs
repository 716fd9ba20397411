//! Lists of cases out of the table in memory.

use super::MemoryCases;
use crate::item;
use leaver_domain::{
    case::{CaseRecord, CaseStatus},
    id::Username,
    ports::{CasePage, StoreError},
    time::Timestamp,
};

impl MemoryCases {
    pub(super) fn newest_about(
        &self,
        person: &Username,
        limit: usize,
    ) -> Result<Vec<CaseRecord>, StoreError> {
        let mut cases = self.all_cases()?;
        cases.retain(|case| case.person.username == *person && !case.dry_run);
        cases.sort_by_key(|case| std::cmp::Reverse(item::Key::place(case).sk));
        cases.truncate(limit);
        Ok(cases)
    }

    pub(super) fn page_of_scheduled(
        &self,
        now: Timestamp,
        from: Option<&str>,
        limit: usize,
    ) -> Result<CasePage, StoreError> {
        let mut cases = self.all_cases()?;
        let waits = |case: &CaseRecord| case.status == CaseStatus::Recorded && case.effective_at > now;
        cases.retain(|case| waits(case) && from.is_none_or(|from| item::start_place(case).as_str() > from));
        cases.sort_by_key(item::start_place);
        let last = limit.checked_sub(1).and_then(|last| cases.get(last));
        let next = last.filter(|_| cases.len() > limit).map(item::start_place);
        cases.truncate(limit);
        item::by_time(&mut cases);
        Ok(CasePage { cases, next })
    }
}

//! What has just been uploaded, for whoever announces it.
//!
//! Every upload of an account leaves a piece of news, except those of the first registration: nobody is told of
//! what was there before. To add a kind: a variant here, and a call of `tell` where the data is put in its place.

use jiff::civil::Date;

use super::account::Account;
use super::item::{Content, Kind};

/// New data of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum News {
    Exercise { hash_id: String },
    Sleep(Date),
    Activity(Date),
    PhysicalInformation,
}

impl Account {
    /// What was uploaded since the last call; nothing of an account that the client may not read.
    pub(crate) fn take_news(&mut self) -> Vec<News> {
        let news = std::mem::take(&mut self.news);
        let is_readable = self.registration.is_some() && self.consent && !self.revoked;
        if is_readable { news } else { Vec::new() }
    }

    /// Tells of the newest revision of an item.
    pub(super) fn tell_of_item(&mut self, kind: Kind, index: usize) {
        let item = &self.items[kind.index()][index];
        let news = match &item.latest().content {
            Content::Session(_) => News::Exercise {
                hash_id: item.hash_id.clone(),
            },
            Content::Activity(activity) => News::Activity(activity.date),
            Content::Body(_) => News::PhysicalInformation,
        };
        self.tell(news);
    }

    /// Once is enough, however often the same data changed meanwhile.
    pub(super) fn tell(&mut self, news: News) {
        if !self.news.contains(&news) {
            self.news.push(news);
        }
    }
}

//! What an operator should know and write when a page was refused: the same sentence in the log, on the admin page and
//! in `explain origin`. Made from the refusal and the list it was judged by.

use super::{
    judge::Judge,
    list::Source,
    near::{Difference, Near},
    page::Page,
    refusal::{Category, OriginRefusal},
};

impl Judge {
    /// Why, compared with what is allowed, and what to write if the page is the operator's own.
    pub fn suggest(&self, refusal: &OriginRefusal) -> String {
        let shown = &refusal.shown;
        match refusal.category {
            Category::Missing => "no Origin header, and origin.missing = \"refuse\"; clients that are no browsers need \
                 origin.missing = \"allow\""
                .into(),
            Category::Malformed => format!("\"{shown}\" is not an origin that a browser sends; whoever sent it is no page"),
            Category::Scheme | Category::Host | Category::Port => self.suggest_page(shown),
            Category::WildcardWithCredentials => format!(
                "{shown} is allowed by * alone, and its token came in a cookie, which every page can make a browser send; \
                 add \"{shown}\" to origin.allow in place of *"
            ),
            Category::Null => "a page without an origin (a sandboxed frame, a file, some redirects); anybody can make one; \
                 if it must be, add \"null\" to origin.allow"
                .into(),
            Category::PreflightMethod => {
                format!("a page asked for the method \"{shown}\"; if the app needs it, add it to origin.methods")
            }
            Category::PreflightHeader => {
                format!("a page asked to send the header \"{shown}\"; if the app needs it, add it to origin.headers")
            }
            Category::CrossSite => format!(
                "{shown}: the browser says that another site's page asked (Sec-Fetch-Site); a page that is meant to connect \
                 sends its Origin, and a proxy in between must keep it"
            ),
            Category::Csrf => self.csrf().map_or_else(String::new, |csrf| {
                format!(
                    "the token came in a cookie; repeat the value of the cookie {} in the header {}",
                    csrf.cookie, csrf.header
                )
            }),
        }
    }

    fn suggest_page(&self, shown: &str) -> String {
        let Ok(page) = Page::parse(shown.as_bytes()) else {
            return format!("\"{shown}\" is neither http nor https; only pages of these schemes can be allowed");
        };
        let near = self.list().near(&page).or_else(|| self.list().alike(&page));
        match near {
            Some(near) => format!("{}; {}", compare(&page, near), self.advise(&page, Some(near.difference))),
            None => format!("no allowed origin has the host {}; {}", page.host(), self.advise(&page, None)),
        }
    }

    fn advise(&self, page: &Page, difference: Option<Difference>) -> String {
        match difference {
            // A host that looks alike is what somebody would register to deceive: no ready line to paste.
            Some(Difference::Host) => "if it is a typing error, correct it where the page is served; if it is not yours, \
                 somebody may be imitating you"
                .into(),
            None if page.is_rebindable() => format!(
                "if it is yours, add \"{page}\" to origin.allow, or to listen.public_origins if it is the gate itself (over plain \
                 http a name alone does not prove that)"
            ),
            None
            | Some(Difference::Port | Difference::Scheme | Difference::SchemeAndPort | Difference::Labels | Difference::Apex) => {
                format!("if it is yours, add \"{page}\" to origin.allow{}", self.by_variable(page))
            }
        }
    }

    /// The same by a variable. It replaces all that is configured, so the ready line repeats that; a line that would be cut
    /// in the log is none.
    fn by_variable(&self, page: &Page) -> String {
        let kept = self.list().entries().iter().filter(|entry| matches!(entry.source, Source::Allow(_) | Source::Computed));
        let whole: Vec<String> = kept.map(|entry| entry.pattern.to_string()).chain([page.to_string()]).collect();
        let whole = whole.join(",");
        match whole.len() <= LONGEST_LINE {
            true => format!(" or set SOCKETIO_CORS_ORIGINS={whole}"),
            false => ", or to the end of SOCKETIO_CORS_ORIGINS where the list stands there".into(),
        }
    }
}

/// What fits into a value of the log together with the reason.
const LONGEST_LINE: usize = 100;

fn compare(page: &Page, near: Near<'_>) -> String {
    let pattern = &near.entry.pattern;
    match near.difference {
        Difference::Port => format!("{page} differs from the allowed {pattern} only in the port"),
        Difference::Scheme => format!("{page} differs from the allowed {pattern} only in the scheme"),
        Difference::SchemeAndPort => format!("{page} differs from the allowed {pattern} in scheme and port"),
        Difference::Labels => format!("{page} has more labels than the allowed {pattern}, whose * stands for exactly one"),
        Difference::Apex => format!("{page} is not covered by the allowed {pattern}, whose wildcard wants a name in front"),
        Difference::Host => format!("{page} looks like the allowed {pattern}, but its host is another"),
    }
}

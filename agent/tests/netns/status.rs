//! The answer of `status --json`, by the names that the configuration's document fixes.

use serde_json::Value;

/// An agent's status.
#[derive(Clone, Debug)]
pub struct Status(pub Value);

impl Status {
    /// The claim of a product.
    pub fn claim(&self, product: &str) -> &Value {
        let claims = self.0["claims"].as_array().expect("claims");
        claims
            .iter()
            .find(|c| c["product"] == product)
            .unwrap_or_else(|| panic!("no claim {product}: {}", self.0))
    }

    /// Its state.
    pub fn state(&self, product: &str) -> &str {
        self.claim(product)["state"].as_str().expect("state")
    }

    /// Its verdict.
    pub fn verdict(&self, product: &str) -> &str {
        self.claim(product)["verdict"].as_str().expect("verdict")
    }

    /// Its holders.
    pub fn holders(&self, product: &str) -> &[Value] {
        self.claim(product)["holders"].as_array().expect("holders")
    }

    /// The class of its conflict, if there is one.
    pub fn class(&self, product: &str) -> Option<&str> {
        self.claim(product)["conflict"]["class"].as_str()
    }

    /// A counter.
    pub fn counter(&self, name: &str) -> u64 {
        self.0["counters"][name]
            .as_u64()
            .unwrap_or_else(|| panic!("no counter {name}: {}", self.0["counters"]))
    }

    /// A fate's counter; one that never happened may be left out.
    pub fn fate(&self, name: &str) -> u64 {
        self.0["counters"]["fates"][name].as_u64().unwrap_or(0)
    }

    /// All fates together.
    pub fn fates(&self) -> u64 {
        let fates = self.0["counters"]["fates"].as_object().expect("fates");
        fates.values().map(|n| n.as_u64().expect("a count")).sum()
    }

    /// A plugin by its id.
    pub fn plugin(&self, id: &str) -> &Value {
        let plugins = self.0["plugins"].as_array().expect("plugins");
        plugins
            .iter()
            .find(|p| p["id"] == id)
            .unwrap_or_else(|| panic!("no plugin {id}: {}", self.0["plugins"]))
    }
}

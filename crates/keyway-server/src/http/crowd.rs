//! The connections that are open, in all and from each address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use keyway_core::network::customer;

#[derive(Debug)]
pub(super) struct Crowd {
    most: usize,
    most_per_address: usize,
    open: Mutex<Open>,
}

/// Holds no more addresses than there are connections.
#[derive(Debug, Default)]
struct Open {
    all: usize,
    by_customer: HashMap<IpAddr, usize>,
}

/// One open connection; ended when dropped.
#[derive(Debug)]
pub(super) struct Member {
    crowd: Arc<Crowd>,
    /// `None` for a trusted proxy's, which many share.
    customer: Option<IpAddr>,
}

impl Crowd {
    pub(super) fn new(most: usize, most_per_address: usize) -> Self {
        Self { most, most_per_address, open: Mutex::default() }
    }

    pub(super) fn open(&self) -> usize {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).all
    }

    /// Takes in a connection from `address`; `None` where there is no room for it.
    pub(super) fn join(self: &Arc<Self>, address: IpAddr, is_proxy: bool) -> Option<Member> {
        let customer = (!is_proxy).then(|| customer(address));
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.all >= self.most {
            return None;
        }
        if let Some(customer) = customer {
            let count = open.by_customer.entry(customer).or_default();
            if *count >= self.most_per_address {
                return None;
            }
            *count += 1;
        }
        open.all += 1;
        Some(Member { crowd: Arc::clone(self), customer })
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let mut open = self.crowd.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.all -= 1;
        let Some(customer) = self.customer else { return };
        if let Some(count) = open.by_customer.get_mut(&customer) {
            *count -= 1;
            if *count == 0 {
                open.by_customer.remove(&customer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_leaves_room_for_others_and_none_is_remembered() {
        let crowd = Arc::new(Crowd::new(3, 2));
        let join =
            |address: &str, is_proxy| crowd.join(address.parse().expect("an address"), is_proxy);
        let mut members = vec![join("2001:db8::1", false), join("2001:db8::2", false)];
        assert!(members.iter().all(Option::is_some));
        assert!(join("2001:db8::3", false).is_none(), "the same customer");
        members.push(join("192.0.2.1", true));
        assert!(members[2].is_some());
        assert!(join("192.0.2.2", false).is_none(), "three in all");
        members.clear();
        let open = crowd.open.lock().expect("not poisoned");
        assert_eq!((open.all, open.by_customer.len()), (0, 0));
    }
}

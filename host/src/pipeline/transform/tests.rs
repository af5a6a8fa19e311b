//! Ceilings of routes, and runs that hang.

use super::*;
use std::sync::mpsc;

const LIMITS: Limits = Limits {
    fuel: 5,
    time: Duration::from_millis(10),
    memory_bytes: 1 << 20,
    output_bytes: 1000,
};

#[test]
fn a_route_raises_limits_up_to_the_ceilings() {
    let ceilings = Ceilings {
        fuel: Some(7),
        time: Some(Duration::from_millis(12)),
        memory_mib: Some(2),
    };
    let route = |change: fn(&mut Route)| {
        let mut route = Route::default();
        change(&mut route);
        limits(&route, LIMITS, ceilings)
    };
    assert_eq!(route(|_| ()), Ok(LIMITS));
    assert_eq!(route(|route| route.fuel = Some(7)).unwrap().fuel, 7);
    for (over, said) in [
        (
            route(|route| route.fuel = Some(8)),
            "its route has fuel = 8, more than FUEL_CEILING=7",
        ),
        (
            route(|route| route.time = Some(Duration::from_millis(13))),
            "its route has time_ms = 13, more than TIME_CEILING_MS=12",
        ),
        (
            route(|route| route.memory_mib = Some(3)),
            "its route has memory_mib = 3, more than MEMORY_CEILING_MIB=2",
        ),
    ] {
        assert_eq!(over.unwrap_err(), said);
    }
    let unbounded = Route {
        fuel: Some(u64::MAX),
        ..Route::default()
    };
    assert!(limits(&unbounded, LIMITS, Ceilings::default()).is_ok());
}

#[tokio::test]
async fn a_run_that_hangs_in_the_host_is_given_up_but_keeps_its_place() {
    let places = Arc::new(Semaphore::new(1));
    let (end, ended) = mpsc::channel::<()>();
    let hangs = move || ended.recv();
    let ran = run_bounded(&places, hangs, Duration::from_millis(10), || Duration::ZERO).await;
    assert!(ran.is_none());
    assert_eq!(places.available_permits(), 0);
    end.send(()).unwrap();
    let next = run_bounded(&places, || 1, Duration::from_secs(30), || Duration::ZERO).await;
    assert_eq!(next, Some(1));
}

#[tokio::test]
async fn a_run_that_waits_for_memory_is_given_that_time_as_well() {
    let places = Arc::new(Semaphore::new(1));
    let waits = || std::thread::sleep(Duration::from_millis(50));
    let waited = || Duration::from_secs(30);
    let ran = run_bounded(&places, waits, Duration::from_millis(1), waited).await;
    assert!(ran.is_some());
}

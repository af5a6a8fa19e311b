use tokio::net::TcpStream;

use super::*;

#[tokio::test]
async fn a_server_answers_until_it_is_dropped() -> Result<()> {
    let redis = Redis::start().await?;
    assert_eq!(redis.command(&["SET", "a", "1 2\r\n3"]).await?, "OK");
    assert_eq!(redis.command(&["GET", "a"]).await?, "1 2\r\n3");
    let address = ("127.0.0.1", redis.port());
    TcpStream::connect(address).await?;
    drop(redis);
    let gone = async { while TcpStream::connect(address).await.is_ok() {} };
    tokio::time::timeout(PATIENCE, gone).await?;
    Ok(())
}

#[tokio::test]
async fn a_restarted_server_is_empty_and_has_its_port() -> Result<()> {
    let redis = Redis::start().await?;
    let port = redis.port();
    redis.command(&["SET", "a", "1"]).await?;
    redis.kill().await;
    assert!(TcpStream::connect(("127.0.0.1", port)).await.is_err());
    redis.restart().await?;
    assert_eq!(redis.port(), port);
    assert_eq!(redis.command(&["GET", "a"]).await?, "");
    TcpStream::connect(("127.0.0.1", port)).await?;
    Ok(())
}

#[tokio::test]
async fn a_paused_server_answers_when_it_goes_on() -> Result<()> {
    let redis = Redis::start().await?;
    redis.pause()?;
    let ping = redis.command(&["PING"]);
    tokio::pin!(ping);
    let paused = tokio::time::timeout(Duration::from_millis(100), &mut ping).await;
    assert!(paused.is_err(), "{paused:?}");
    redis.resume()?;
    assert_eq!(ping.await?, "PONG");
    Ok(())
}

#[tokio::test]
async fn a_bad_line_of_configuration_is_shown() -> Result<()> {
    let options = RedisOptions {
        config: vec![String::from("no-such-option yes")],
        ..RedisOptions::default()
    };
    let error = Redis::start_with(options).await.expect_err("it is bad");
    assert!(error.to_string().contains("no-such-option"), "{error}");
    Ok(())
}

#[tokio::test]
async fn a_server_with_a_password_is_ready() -> Result<()> {
    let options = RedisOptions {
        config: vec![String::from("requirepass secret")],
        ..RedisOptions::default()
    };
    let redis = Redis::start_with(options).await?;
    assert!(redis.command(&["GET", "a"]).await.is_err());
    Ok(())
}

#[tokio::test]
async fn a_server_with_tls_has_an_authority() -> Result<()> {
    let redis = Redis::start_with_tls().await?;
    let authority = fs::read_to_string(redis.ca_file().context("no file")?)?;
    assert!(authority.starts_with("-----BEGIN CERTIFICATE-----"));
    assert!(redis.url().starts_with("rediss://"));
    Ok(())
}

module dotenv

go 1.24

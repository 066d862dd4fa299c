"""What runs inside the sandbox: it imports a submission, answers probe calls, and knows no expected value."""

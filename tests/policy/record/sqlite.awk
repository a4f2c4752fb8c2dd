# SPDX-License-Identifier: MIT
# SQL for sqlite3: orders of customers, with an index.  Lookups of customers
# and their orders, some far more often than others (Zipf's distribution with
# exponent 1), with changes between; then reports: ranges, and a join with a
# sum.

function customer() {
	return int(exp(rand() * log(customers))) * 7919 % customers
}

function insert(i) {
	print "INSERT INTO orders VALUES(" i ", " \
		int(rand() * customers) ", " int(rand() * 1000) \
		", '" substr(filling, int(rand() * 300) + 1, 200) "');"
}

BEGIN {
	srand(1)
	while (length(filling) < 600)
		filling = filling int(rand() * 1000000)
	print "PRAGMA cache_size = -65536;"
	print "PRAGMA temp_store = memory;"
	print "CREATE TABLE customers(id INTEGER PRIMARY KEY, name TEXT," \
		" town TEXT, text TEXT);"
	print "CREATE TABLE orders(id INTEGER PRIMARY KEY, customer INTEGER," \
		" amount INTEGER, text TEXT);"
	print "BEGIN;"
	for (i = 0; i < customers; i++)
		print "INSERT INTO customers VALUES(" i ", 'name" i \
			"', 'town" i % 40 "', '" \
			substr(filling, i % 300 + 1, 250) "');"
	for (i = 0; i < orders; i++)
		insert(i)
	print "COMMIT;"
	print "CREATE INDEX orders_of ON orders(customer);"
	for (i = 0; i < requests; i++) {
		print "SELECT name, sum(amount) FROM customers JOIN orders ON" \
			" customer = customers.id WHERE customers.id = " \
			customer() ";"
		if (i % 10 == 0)
			insert(orders + i)
		if (i % 10 == 5)
			print "UPDATE customers SET town = 'town1' WHERE id =" \
				" " customer() ";"
		if (i % int(requests / 4) == 0)
			print "SELECT max(amount) FROM orders WHERE id BETWEEN " \
				i " AND " i + orders / 4 ";"
	}
	print "SELECT town, count(*), sum(amount) FROM customers JOIN orders" \
		" ON customer = customers.id WHERE orders.id < " orders / 6 \
		" GROUP BY town ORDER BY 3;"
}

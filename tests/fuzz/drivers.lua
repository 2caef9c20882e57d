-- The names of the shipped drivers, one on a line.
print(table.concat(require("moonpulse.driver.find").names, "\n"))

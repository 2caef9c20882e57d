--- Counts of orders, which are larger than any number of Lua: a count is kept as its remainders by many
--- primes, compared and drawn by its digits.
local M = {}

local primes, inverses = {}, {} -- inverses[i]: of the product of the primes before, by prime i
local ABOVE = 2 ^ 30.9 -- every prime that is used is above it: 2^31 holds tens of thousands of these

local function is_prime(number)
  for i = 3, math.floor(number ^ 0.5), 2 do
    if number % i == 0 then
      return false
    end
  end
  return number % 2 == 1
end

--- base ^ exponent by a prime below 2^31.
---@param base integer
---@param exponent integer
---@param prime integer
---@return integer
function M.power(base, exponent, prime)
  local result = 1
  base = base % prime
  while exponent > 0 do
    result = exponent % 2 == 1 and result * base % prime or result
    base, exponent = base * base % prime, exponent // 2
  end
  return result
end

--- The first primes below 2^31, the largest first.
---@param count integer
---@return integer[]
function M.primes(count)
  local next_one = (primes[#primes] or 1 << 31) - 1
  while #primes < count do
    if is_prime(next_one) then
      local product = 1
      for _, prime in ipairs(primes) do
        product = product * (prime % next_one) % next_one
      end
      primes[#primes + 1] = next_one
      inverses[#primes] = M.power(product, next_one - 2, next_one)
    end
    next_one = next_one - 1
  end
  return primes
end

--- How many primes tell apart all orders of a list: there are no more than without any rule.
---@param counts integer[] how many of each kind
---@return integer
function M.primes_for(counts)
  local log, placed = 0, 0
  for _, count in ipairs(counts) do
    for i = 1, count do
      placed = placed + 1
      log = log + math.log(placed / i, 2)
    end
  end
  return math.floor(log / math.log(ABOVE, 2) + 0.01) + 1
end

--- The digits of a count, the least first: digit i counts products of the primes before. Two counts are equal
--- where all digits are.
---@param remainders integer[] by each prime
---@return integer[]
function M.digits(remainders)
  local digits = {}
  for i, remainder in ipairs(remainders) do
    local prime, value = primes[i], 0
    for j = i - 1, 1, -1 do -- Horner
      value = (value * primes[j] + digits[j]) % prime
    end
    digits[i] = (remainder - value) % prime * inverses[i] % prime
  end
  return digits
end

--- How many digits a count has: 0 of none.
---@param digits integer[]
---@return integer
function M.length(digits)
  for i = #digits, 1, -1 do
    if digits[i] ~= 0 then
      return i
    end
  end
  return 0
end

--- Is a below b?
---@param a integer[] digits
---@param b integer[] as many
---@return boolean
function M.below(a, b)
  for i = #b, 1, -1 do
    if a[i] ~= b[i] then
      return a[i] < b[i]
    end
  end
  return false
end

--- Take b from a, which is no smaller; a is changed.
---@param a integer[] digits
---@param b integer[] as many
function M.take(a, b)
  local borrowed = 0
  for i = 1, #b do
    local digit = a[i] - b[i] - borrowed
    borrowed = digit < 0 and 1 or 0
    a[i] = digit + borrowed * primes[i]
  end
end

--- A number from 0 to below a count, all equally likely.
---@param count integer[] digits; not 0
---@param draw fun(range: integer): integer uniform in 0 to range
---@return integer[] digits, as many
function M.draw_below(count, draw)
  local length, drawn = M.length(count), {}
  repeat
    for i = 1, #count do
      drawn[i] = i > length and 0 or draw(i == length and count[i] or primes[i] - 1)
    end
  until M.below(drawn, count)
  return drawn
end

return M

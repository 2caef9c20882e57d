--- How many orders of a list have no more than so many of a kind in a row: counted exactly, without looking
--- at one of them.
--
-- The number of words with n_1 letters of the first kind, n_2 of the second and so on, of which no run is
-- longer than m, is what comes of P = p_1(t) p_2(t) ... if every t^j is replaced by j!. Here p_i(t) is the
-- coefficient of x^(n_i) in exp(t v(x)), v = x - x^(m+1) + x^(m+2) - x^(2m+2) + ...: runs of 1 to m
-- letters, by inclusion and exclusion over neighbouring runs of one kind (Laguerre polynomials). For
-- words that do not begin with a kind, exp(t v) (1 - v) stands in its place. P is known by its values at
-- 0, 1, ... n, and replacing t^j by j! is a fixed sum over these. All is done by remainders of primes.
local exact = require "moonpulse.compose.exact_count"

local M = {}

local function sum_of(counts)
  local total = 0
  for _, count in ipairs(counts) do
    total = total + count
  end
  return total
end

--- 1/1, 1/2, ... by a prime.
local function inverses_to(most, prime)
  local list = { 1 }
  for i = 2, most do
    list[i] = (prime - prime // i) * list[prime % i] % prime
  end
  return list
end

--- Values at t of p_n, and of the same for words that do not begin with the kind; n from 0 to most.
local function values_at(t, most, longest, prime, inverse)
  local any, others = { [0] = 1 }, { [0] = 1 }
  local step = longest + 1
  for n = 1, most do
    local weighted, plain = 0, 0 -- sums over j of j v_j p_(n-j), v_j p_(n-j)
    for j = 1, n, step do
      weighted, plain = weighted + j * any[n - j], plain + any[n - j]
    end
    for j = step, n, step do
      weighted, plain = weighted - j * any[n - j], plain - any[n - j]
    end
    any[n] = weighted % prime * t % prime * inverse[n] % prime
    others[n] = (any[n] - plain) % prime
  end
  return any, others
end

--- The factors of the values at 0 to n, whose sum is what t^j -> j! makes of a polynomial of degree n.
local function factors(n, prime, inverse)
  local whole, factorial = { [0] = 1 }, { [0] = 1 } -- whole: coefficients of t (t - 1) ... (t - n)
  for t = 0, n do
    whole[t + 1] = 0
    for j = t + 1, 0, -1 do
      whole[j] = ((whole[j - 1] or 0) - t * whole[j]) % prime
    end
    factorial[t + 1] = factorial[t] * (t + 1) % prime
  end
  local over = { [0] = 1 } -- 1 / t!
  for t = 1, n do
    over[t] = over[t - 1] * inverse[t] % prime
  end
  local list = {}
  for t = 0, n do
    local coefficient, sum = 0, 0
    for j = n, 0, -1 do
      coefficient = (whole[j + 1] + t * coefficient) % prime
      sum = (sum + factorial[j] * coefficient) % prime
    end
    sum = sum * over[t] % prime * over[n - t] % prime
    list[t] = (n - t) % 2 == 1 and (prime - sum) % prime or sum
  end
  return list
end

---@class moonpulse.RunCounts
---@field longest integer
---@field fields { prime: integer, any: table, others: table, inverse: integer[], factors: integer[] }[] one
---   for each prime; any[t][n], others[t][n]
---@field points integer the highest t that factors are for
local RunCounts = {}
RunCounts.__index = RunCounts

--- For orders of so many of each kind.
---@param counts integer[]
---@param longest integer run
---@return moonpulse.RunCounts
function M.new(counts, longest)
  local total, most = sum_of(counts), math.max(table.unpack(counts))
  local self = setmetatable({ longest = longest, fields = {}, points = total }, RunCounts)
  local needed = exact.primes_for(counts)
  local primes = exact.primes(needed)
  for i = 1, needed do
    local prime = primes[i]
    local inverse = inverses_to(math.max(1, total), prime)
    local field = { prime = prime, any = {}, others = {}, inverse = inverse,
      factors = factors(total, prime, inverse) }
    for t = 0, total do
      field.any[t], field.others[t] = values_at(t, most, longest, prime, inverse)
    end
    self.fields[i] = field
  end
  return self
end

--- What it takes to draw one order: sums of three numbers that are multiplied and divided.
---@param counts integer[]
---@return number
function M.work(counts)
  return sum_of(counts) ^ 2 * #counts * exact.primes_for(counts) / 3
end

--- Of so many primes only: for counts that are smaller. And of fewer points, as fewer letters are left.
local function shrink(self, left, primes)
  local total = sum_of(left)
  for i = primes + 1, #self.fields do
    self.fields[i] = nil
  end
  if total <= 0.75 * self.points then
    self.points = total
    for _, field in ipairs(self.fields) do
      field.factors = factors(total, field.prime, field.inverse)
    end
  end
end

--- The remainders by one prime of the orders that each kind begins.
local function begun(self, field, left, last, run)
  local prime, kinds, sums, after = field.prime, #left, {}, {}
  for kind = 1, kinds do
    sums[kind] = 0
  end
  for t = 0, self.points do
    local any, others = field.any[t], field.others[t]
    after[kinds + 1] = 1
    for kind = kinds, 1, -1 do
      after[kind] = after[kind + 1] * any[left[kind]] % prime
    end
    local before = field.factors[t]
    for kind = 1, kinds do
      local count = left[kind]
      local room = self.longest - (kind == last and run or 0) - 1 -- of this run, after the next letter
      local here = 0
      for j = math.max(0, count - 1 - room), count - 1 do
        here = here + others[j]
      end
      sums[kind] = (sums[kind] + before * after[kind + 1] % prime * (here % prime)) % prime
      before = before * any[count] % prime
    end
  end
  return sums
end

--- How many orders of what is left go on with each kind.
---@param left integer[] how many of each kind
---@param last integer? the kind of the run before
---@param run integer how long it is
---@param primes integer? so many digits are enough from now on; nil: as many as for all
---@return integer[][] remainders, by kind
function RunCounts:by_next(left, last, run, primes)
  shrink(self, left, primes or #self.fields)
  local remainders = {}
  for kind = 1, #left do
    remainders[kind] = {}
  end
  for i, field in ipairs(self.fields) do
    for kind, sum in ipairs(begun(self, field, left, last, run)) do
      remainders[kind][i] = sum
    end
  end
  return remainders
end

return M

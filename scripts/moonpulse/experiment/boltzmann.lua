--- The input-output curve of a muscle: MEP amplitude over intensity, as a Boltzmann sigmoid (Devanne H et al.
--- 1997 Exp Brain Res 114:329-338):
--
--   MEP(s) = MEPmax / (1 + exp((S50 - s) / k))
--
-- S50: where it has half of MEPmax; k: the slope parameter, in units of the intensity; its steepest slope is
-- MEPmax / (4 k). Fitted to the amplitudes of all trials by least squares: Newton's steps, damped as by
-- Levenberg K 1944 Quart Appl Math 2:164-168 and Marquardt DW 1963 J Soc Ind Appl Math 11:431-441, from the
-- best point of a grid. The intervals do not take the scatter for the same at each intensity, since that of
-- MEPs grows with them: the covariance is the one of MacKinnon JG, White H 1985 J Econometrics 29:305-325
-- (HC3); those of MEPmax and k are of their logarithms. Additions, multiplications, divisions, square roots
-- and engine/exact_math.h alone: the same bits on every machine.
local core = require "moonpulse.core"

local M = {}

--- So many intensities and trials are the least that three numbers can be fitted to.
M.least_levels, M.least_trials = 4, 8

local most_steps = 200
local percent = 95
local z = 1.959963984540054 -- 97.5 % of a normal distribution

---@class moonpulse.CurveFit in units of the intensities and in uV
---@field mep_max_uv number
---@field s50 number
---@field k number
---@field slope_uv number the steepest: uV for one unit of the intensity
---@field r2 number how much of the scatter it explains, of 1
---@field intervals table<string, { low: number, high: number, percent: number }> of the first three
---@field lowest_share number what the curve has of MEPmax at the lowest intensity
---@field highest_share number and at the highest

--- The quantile of Student's distribution (Abramowitz and Stegun 26.7.5).
local function quantile(freedom)
  local z2 = z * z
  local g1, g2 = z * (z2 + 1) / 4, z * ((5 * z2 + 16) * z2 + 3) / 96
  local g3 = z * (((3 * z2 + 19) * z2 + 17) * z2 - 15) / 384
  local g4 = z * ((((79 * z2 + 776) * z2 + 1482) * z2 - 1920) * z2 - 945) / 92160
  return z + (g1 + (g2 + (g3 + g4 / freedom) / freedom) / freedom) / freedom
end

--- The trials by intensity, lowest first: how many, and their mean.
local function levels_of(track)
  local levels, at = {}, {}
  for _, trial in ipairs(track) do
    local level = at[trial.intensity]
    if not level then
      level = { s = trial.intensity, n = 0, sum = 0 }
      at[trial.intensity], levels[#levels + 1] = level, level
    end
    level.n, level.sum = level.n + 1, level.sum + trial.mep_uv
  end
  table.sort(levels, function(a, b) return a.s < b.s end)
  for _, level in ipairs(levels) do
    level.mean = level.sum / level.n
  end
  return levels
end

--- What part of MEPmax it has at an intensity.
local function share(s, s50, k)
  return 1 / (1 + core.exact_exp((s50 - s) / k))
end

--- A point of the curve: MEPmax, S50, k.
---@param fit { mep_max_uv: number, s50: number, k: number }
---@param s number
---@return number uV
function M.at(fit, s)
  return fit.mep_max_uv * share(s, fit.s50, fit.k)
end

--- The squares that are left, and the best MEPmax, for S50 and k.
local function squares(levels, s50, k)
  local gy, gg, left = 0, 0, 0
  for _, level in ipairs(levels) do
    local g = share(level.s, s50, k)
    gy, gg = gy + level.n * g * level.mean, gg + level.n * g * g
  end
  local most = gg > 0 and gy / gg or 0
  for _, level in ipairs(levels) do
    local off = level.mean - most * share(level.s, s50, k)
    left = left + level.n * off * off
  end
  return left, most
end

--- The best point of a grid: S50 at 25 places of the range and half beyond, k from a 64th of it to the whole.
local function start_of(levels)
  local low, range = levels[1].s, levels[#levels].s - levels[1].s
  local best
  for i = 0, 24 do
    local s50, k = low + range * (i / 16), range
    for _ = 1, 13 do
      local left, most = squares(levels, s50, k)
      if most > 0 and (not best or left < best.left) then
        best = { left = left, most, s50, k }
      end
      k = k * 0.7071067811865476
    end
  end
  return best
end

--- The derivatives of the curve by MEPmax, S50 and k.
local function gradient(p, s)
  local g = share(s, p[2], p[3])
  local steep = p[1] * g * (1 - g) / p[3]
  return { g, -steep, -steep * (s - p[2]) / p[3] }
end

--- The inverse of a symmetric 3 by 3 matrix; nil: its determinant is not above 0, as far as numbers can tell.
local function inverse(a)
  local function minor(i, j)
    local r, c = { 1, 2, 3 }, { 1, 2, 3 }
    table.remove(r, i)
    table.remove(c, j)
    return a[r[1]][c[1]] * a[r[2]][c[2]] - a[r[1]][c[2]] * a[r[2]][c[1]]
  end
  local whole = a[1][1] * minor(1, 1) - a[1][2] * minor(1, 2) + a[1][3] * minor(1, 3)
  local is_clear = whole > 1e-12 * (a[1][1] * a[2][2] * a[3][3]) -- also where it is no number
  if not is_clear then
    return nil
  end
  local found = { {}, {}, {} }
  for i = 1, 3 do
    for j = 1, 3 do
      found[i][j] = ((i + j) % 2 == 0 and 1 or -1) * minor(j, i) / whole
    end
  end
  return found
end

--- The sum over rows { gradient, weight } of weight times the products of the gradient.
local function products(rows)
  local a = { { 0, 0, 0 }, { 0, 0, 0 }, { 0, 0, 0 } }
  for _, row in ipairs(rows) do
    for i = 1, 3 do
      for j = 1, 3 do
        a[i][j] = a[i][j] + row[2] * row[1][i] * row[1][j]
      end
    end
  end
  return a
end

local function left_of(levels, p)
  local left = 0
  for _, level in ipairs(levels) do
    local off = level.mean - p[1] * share(level.s, p[2], p[3])
    left = left + level.n * off * off
  end
  return left
end

--- Add what the residual of a level has of the second derivatives: the scatter of MEPs is large, and without
--- it the way to the least squares is long.
local function add_curvature(a, p, level, g)
  local u, off = (level.s - p[2]) / p[3], level.n * (level.mean - p[1] * g)
  local first = g * (1 - g)
  local second, scale = first * (1 - 2 * g), off * p[1] / (p[3] * p[3])
  local mixed = { off * first / p[3], off * first * u / p[3], scale * (second * u + first) }
  a[1][2], a[2][1], a[1][3], a[3][1] = a[1][2] + mixed[1], a[2][1] + mixed[1], a[1][3] + mixed[2],
    a[3][1] + mixed[2]
  a[2][3], a[3][2] = a[2][3] - mixed[3], a[3][2] - mixed[3]
  a[2][2] = a[2][2] - scale * second
  a[3][3] = a[3][3] - scale * (second * u + 2 * first) * u
end

--- One step: where to from p, as a damping allows; nil: nowhere.
local function step(levels, p, damping)
  local rows, toward = {}, { 0, 0, 0 }
  for i, level in ipairs(levels) do
    local by = gradient(p, level.s)
    rows[i] = { by, level.n }
    for j = 1, 3 do
      toward[j] = toward[j] + level.n * by[j] * (level.mean - p[1] * by[1])
    end
  end
  local a = products(rows)
  local damped = { damping * a[1][1], damping * a[2][2], damping * a[3][3] }
  for i, level in ipairs(levels) do
    add_curvature(a, p, level, rows[i][1][1])
  end
  for i = 1, 3 do
    a[i][i] = a[i][i] + damped[i]
  end
  local goes_down = a[1][1] > 0 and a[1][1] * a[2][2] - a[1][2] * a[2][1] > 0
  local back = goes_down and inverse(a)
  if not back then
    return nil
  end
  local to = {}
  for i = 1, 3 do
    to[i] = p[i] + back[i][1] * toward[1] + back[i][2] * toward[2] + back[i][3] * toward[3]
  end
  return to
end

--- Go down from p to the least squares; as a table of MEPmax, S50, k.
local function descend(levels, p)
  local damping, left = 1e-3, left_of(levels, p)
  for _ = 1, most_steps do
    local to = step(levels, p, damping)
    local now = to and to[1] > 0 and to[3] > 0 and left_of(levels, to)
    if now and now <= left then
      local still = true
      for i = 1, 3 do
        still = still and math.abs(to[i] - p[i]) <= 1e-12 * math.abs(p[i])
      end
      p, left, damping = to, now, damping / 10
      if still then
        break
      end
    else
      damping = damping * 10
      if damping > 1e12 then
        break
      end
    end
  end
  return p
end

--- The variances of MEPmax, S50 and k; nil: the trials do not bound them.
local function variances(track, p)
  local rows = {}
  for i, trial in ipairs(track) do
    rows[i] = { gradient(p, trial.intensity), 1 }
  end
  local a = inverse(products(rows))
  if not a then
    return nil
  end
  for i, row in ipairs(rows) do
    local by, pull = row[1], 0
    for j = 1, 3 do
      pull = pull + by[j] * (a[j][1] * by[1] + a[j][2] * by[2] + a[j][3] * by[3])
    end
    local off = (track[i].mep_uv - p[1] * by[1]) / math.max(1 - pull, 1e-6)
    row[2] = off * off
  end
  local b, found = products(rows), {}
  for i = 1, 3 do
    found[i] = 0
    for j = 1, 3 do
      for m = 1, 3 do
        found[i] = found[i] + a[i][j] * b[j][m] * a[m][i]
      end
    end
  end
  return found
end

local function interval(low, high)
  return { low = low, high = high, percent = percent }
end

--- How much of the scatter of all trials is explained.
local function explained(track, p)
  local mean, all, left = 0, 0, 0
  for _, trial in ipairs(track) do
    mean = mean + trial.mep_uv / #track
  end
  for _, trial in ipairs(track) do
    local off = trial.mep_uv - p[1] * share(trial.intensity, p[2], p[3])
    left, all = left + off * off, all + (trial.mep_uv - mean) * (trial.mep_uv - mean)
  end
  return all > 0 and 1 - left / all or 0
end

local least_gain = 4 -- of an F ratio, for 2 and many degrees of freedom: 98 % of what is no curve is below

--- Why no curve can be told from the trials; nil: one can.
---@param r2 number of the scatter that is explained
---@param freedom integer
local function problem_of(levels, p, spread, factors, r2, freedom)
  local low, high = levels[1].s, levels[#levels].s
  local gap = high - low
  for i = 2, #levels do
    gap = math.min(gap, levels[i].s - levels[i - 1].s)
  end
  if r2 * freedom < 2 * least_gain * (1 - r2) or r2 <= 0 then
    return "the MEPs do not grow with the intensity"
  elseif p[2] > high or p[2] < low then
    return p[2] > high and "less than half of a plateau was reached: the MEPs still grow at the highest "
      .. "intensity" or "the MEPs are more than half of their largest at the lowest intensity already"
  elseif p[3] < gap / 8 then
    return "the MEPs jump from small to large between two intensities: give some in between"
  elseif not spread or factors[1] > 3 or factors[2] > 10 then
    return "the MEPs scatter too much to tell a curve"
  end
end

--- Fit it.
---@param track { intensity: number, mep_uv: number }[] every trial
---@return moonpulse.CurveFit? fit
---@return string? why there is none
function M.fit(track)
  local levels = levels_of(track)
  if #levels < M.least_levels or #track < M.least_trials then
    return nil, ("%d trials at %d intensities are too few: at least %d at %d are needed"):format(#track,
      #levels, M.least_trials, M.least_levels)
  end
  local from = start_of(levels)
  if not from then
    return nil, "there are no MEPs"
  end
  local p = descend(levels, { from[1], from[2], from[3] })
  local spread, factors, by = variances(track, p), {}, quantile(#track - 3)
  for at, i in ipairs { 1, 3 } do -- of MEPmax and k: as logarithms, so that neither is below 0
    local off = spread and by * math.sqrt(spread[i]) / p[i]
    factors[at] = off and off < 700 and core.exact_exp(off) or math.huge
  end
  local r2 = explained(track, p)
  local why = problem_of(levels, p, spread, factors, r2, #track - 3)
  if why then
    return nil, why
  end
  local aside = by * math.sqrt(spread[2])
  return { mep_max_uv = p[1], s50 = p[2], k = p[3], slope_uv = p[1] / (4 * p[3]), r2 = r2,
    intervals = { mep_max_uv = interval(p[1] / factors[1], p[1] * factors[1]),
      s50 = interval(p[2] - aside, p[2] + aside), k = interval(p[3] / factors[2], p[3] * factors[2]) },
    lowest_share = share(levels[1].s, p[2], p[3]), highest_share = share(levels[#levels].s, p[2], p[3]) }
end

return M

local goals = require "moonpulse.bench.goals"
local stats = require "moonpulse.bench.stats"

describe("the benchmark's statistics", function()
  it("takes quantiles by rank", function()
    local sorted = {}
    for i = 1, 1000 do
      sorted[i] = i
    end
    assert.equal(500, stats.quantile(sorted, 0.5))
    assert.equal(990, stats.quantile(sorted, 0.99))
    assert.equal(999, stats.quantile(sorted, 0.999))
    assert.equal(7, stats.quantile({ 7 }, 0.001))
  end)

  it("counts late and early events", function()
    local summary = stats.summary { -1, 0, 100000, 100001, 1000001 }
    assert.same({ 1, 2, 1 }, { summary.early, summary.over_100us, summary.over_1ms })
    assert.equal(100, summary.p50)
    assert.equal(1000.001, summary.max)
  end)

  it("tells drift from one late event", function()
    local steady, drifting = {}, {}
    for i = 1, 9000 do
      steady[i], drifting[i] = 100, 100 + 5 * i
    end
    steady[9000] = 4000000
    assert.equal(0, stats.drift(steady).slope_ns)
    assert.equal(100, stats.drift(steady).last_ns)
    assert.is_true(math.abs(stats.drift(drifting).slope_ns - 5) < 0.01)
  end)
end)

describe("a verdict", function()
  local function verdict(values, nulls, more)
    local row = { id = "G0", what = "test", limit = 2 }
    for key, value in pairs(more or {}) do
      row[key] = value
    end
    return goals.judge(row, values, nulls).verdict
  end

  it("is that of the median", function()
    assert.equal("PASS", verdict { 1, 2, 100 })
    assert.equal("FAIL", verdict { 1, 2.1, 3 })
    assert.equal("FAIL", verdict({ 1, 1.9, 30 }, nil, { at_least = true }))
    assert.equal("PASS", verdict({ 1, 2, 3 }, nil, { at_least = true }))
  end)

  it("is inconclusive where the engine differs from itself", function()
    assert.equal("PASS", verdict({ 1 }, { 0.5, 0.9, 9 }))
    assert.equal("INCONCLUSIVE", verdict({ 1 }, { 0.4 }))
    assert.equal("INCONCLUSIVE", verdict({ 9 }, { 2.1 }))
  end)

  it("is not changed where one stands already, nor made of nothing", function()
    assert.equal("VOID", verdict({ 1 }, nil, { verdict = "VOID" }))
    assert.equal("not measured", verdict {})
  end)

  it("breaks the run where it must hold on any host", function()
    assert.is_true(goals.broken { verdict = "VOID" })
    assert.is_true(goals.broken { verdict = "FAIL", hard = true })
    assert.is_false(goals.broken { verdict = "FAIL" })
    assert.is_false(goals.broken { verdict = "INCONCLUSIVE", hard = true })
  end)
end)

describe("the goals", function()
  local function block(method, condition, shape, number, more)
    local made = { method = method, condition = condition, shape = shape, block = number, n = 2000,
      p50 = 1, p90 = 1, p99 = 1, over_100us = 0, over_1ms = 0, fifo = method ~= "cyclictest" or nil }
    for key, value in pairs(more or {}) do
      made[key] = value
    end
    return made
  end

  local function data_of(changes)
    local data = { blocks = {}, single = {
      drift = { fifo = true, engine = { last_ns = 100, slope_ns = 0 } },
      write_step = { 1 }, stops = { rounds = { { close = 0, void = "", noticed_ns = 90000 } } },
      stream = { pulses = 100, lines = 10, reps = { {
        schedule = 10, schedule_deep = 10, walk = 10, check = 20, lua = 400, lua_deep = 100,
        memset_fresh = 30, snprintf = 100, snprintf_rows = 100 } } },
      text = { events = { 1e9 }, virtual = { 1e9 }, session = { 2e6 } },
      memory = { few_kib = 2000, many_kib = 2000 },
      log = { clock_ns = { 30 }, ring_ns = { 40 }, flight_ns = { 60 }, refused = 0 },
      drops = { planned = 10, sent = 10, skipped = 0, dropped = 0 },
    } }
    for number = 1, 5 do
      for _, condition in ipairs { "idle", "load" } do
        for _, shape in ipairs { "1 ms", "20 ms" } do
          local methods = { engine = {}, null = {}, cyclictest = { p50 = 80, p90 = 80, p99 = 80 } }
          for method, more in pairs(methods) do
            local extra = changes and changes(method, condition, shape) or {}
            for key, value in pairs(more) do
              extra[key] = extra[key] or value
            end
            table.insert(data.blocks, block(method, condition, shape, number, extra))
          end
        end
      end
    end
    return data
  end

  local function find(rows, id, phrase)
    for _, row in ipairs(rows) do
      if row.id == id and row.what:find(phrase, 1, true) then
        return row
      end
    end
  end

  it("compare block by block with cyclictest", function()
    local row = find(goals.rows(data_of()), "G1", "p50, idle, 1 ms")
    assert.equal("PASS", row.verdict)
    assert.equal(1 / 80, row.median)
  end)

  it("are void where a block was not correct, and that breaks the run", function()
    local rows = goals.rows(data_of(function(method, condition)
      return method == "engine" and condition == "load" and { void = "other bytes arrived" } or {}
    end))
    local row = find(rows, "G1", "p50, load, 1 ms")
    assert.equal("VOID", row.verdict)
    assert.is_true(goals.broken(row))
    assert.equal("PASS", find(rows, "G1", "p50, idle, 1 ms").verdict)
  end)

  it("are inconclusive where cyclictest itself is late", function()
    local rows = goals.rows(data_of(function(method)
      return method == "cyclictest" and { p99 = 501 } or {}
    end))
    assert.equal("INCONCLUSIVE", find(rows, "G2", "idle, 20 ms").verdict)
  end)

  it("are not measured without SCHED_FIFO or without a peer", function()
    local rows = goals.rows(data_of(function(method)
      return method == "engine" and { fifo = false } or {}
    end))
    assert.equal("not measured", find(rows, "G1", "p50, idle, 1 ms").verdict)
    assert.equal("not measured", find(rows, "G5", "idle, 1 ms").verdict)
    assert.equal("not measured", find(rows, "G6", "relative").verdict)
  end)

  it("need late events of the peer before they compare shares", function()
    local rows = goals.rows(data_of())
    assert.equal("INCONCLUSIVE", find(rows, "G3", "idle").verdict)
    rows = goals.rows(data_of(function(method)
      return { over_100us = method == "cyclictest" and 10 or 2 }
    end))
    local row = find(rows, "G3", "idle")
    assert.equal("PASS", row.verdict)
    assert.is_true(math.abs(row.median - 0.2) < 1e-9)
  end)

  it("judge of a start what is ours, not the replies that were waited for", function()
    local data = data_of()
    data.single.start = { armed = { 0.16, 0.15, 0.17 }, waited = { 0.11, 0.112, 0.111 },
      ours = { 0.05, 0.038, 0.059 }, lua = { 0.002, 0.002, 0.002 }, python = {} }
    local row = find(goals.rows(data), "G20", "without the replies")
    assert.same({ "FAIL", 50 }, { row.verdict, row.median })
    data.single.start.ours = { 0.03, 0.04, 0.05 }
    assert.equal("PASS", find(goals.rows(data), "G20", "without the replies").verdict)
    data.single.start.ours = nil -- a result of an older version
    assert.equal("not measured", find(goals.rows(data), "G20", "without the replies").verdict)
  end)

  it("fail hard on one interval that was too short", function()
    local data = data_of()
    data.single.stops.rounds[1].close = 1
    data.single.stops.rounds[1].void = "two pulses were closer than the declared minimum"
    local row = find(goals.rows(data), "G9", "minimum")
    assert.equal("FAIL", row.verdict)
    assert.is_true(goals.broken(row))
  end)
end)

describe("a stall of the host", function()
  local deadlines = require "moonpulse.bench.deadlines"
  local ms, count, from, long = 1000000, 40, 10, 12

  --- A made-up host that stands still for 12 ms: when a loop that waits for due runs.
  local function host()
    local now = 0
    return function(due)
      now = math.max(now, due)
      if now >= from * ms and now < (from + long) * ms then
        now = (from + long) * ms
      end
      return now
    end
  end

  --- Waits for every deadline in turn, also for one that has passed.
  local function loop()
    local wake, errors_ns = host(), {}
    for k = 0, count - 1 do
      errors_ns[#errors_ns + 1] = wake(k * ms) - k * ms
    end
    return errors_ns
  end

  --- As cyclictest: after a wake the next deadline is one that is still to come.
  local function cyclictest()
    local wake, wakes_ns, due = host(), {}, 0
    while due < count * ms do
      local woke = wake(due)
      wakes_ns[#wakes_ns + 1] = woke - due
      repeat
        due = due + ms
      until due >= woke
    end
    return wakes_ns
  end

  local function histogram(wakes_ns, limit_us)
    local counts, lines, over, largest = {}, { "# Histogram" }, 0, 0
    for _, late_ns in ipairs(wakes_ns) do
      local us = late_ns // 1000
      counts[us], largest = (counts[us] or 0) + 1, math.max(largest, us)
    end
    for us, number in pairs(counts) do
      if us < limit_us then
        lines[#lines + 1] = ("%06d %06d"):format(us, number)
      else
        over = over + number
      end
    end
    return table.concat(lines, "\n") .. ("\n# Max Latencies: %05d\n# Histogram Overflows: %05d\n"):format(
      largest, over)
  end

  local function late(errors_ns)
    local number = 0
    for _, error_ns in ipairs(errors_ns) do
      number = number + (error_ns > 0 and 1 or 0)
    end
    return number
  end

  it("of 12 ms is 12 late deadlines at 1 ms for a loop, and one late wake for cyclictest", function()
    assert.equal(12, late(loop()))
    assert.equal(1, late(cyclictest()))
  end)

  it("costs every method the same deadlines once they are all counted", function()
    local want, got = loop(), deadlines.of_wakes(cyclictest(), ms)
    assert.equal(12, late(got))
    table.sort(want)
    table.sort(got)
    assert.same(want, got)
    local ours = deadlines.of_report({ errors_ns = loop(), void = "" }, count)
    local theirs = deadlines.of_cyclictest(histogram(cyclictest(), 30000), 1000, 30000)
    for _, name in ipairs { "n", "p50", "p90", "p99", "max", "over_100us", "over_1ms" } do
      assert.equal(ours[name], theirs[name], name)
    end
    assert.same({ 40, 12, 11 }, { theirs.n, theirs.over_100us, theirs.over_1ms })
    assert.same({ 29, 1, 1, 12000 }, { theirs.own.n, theirs.own.over_100us, theirs.own.over_1ms,
      theirs.own.max })
  end)

  it("that is longer than the histogram counts as far as it is known", function()
    local theirs = deadlines.of_cyclictest(histogram(cyclictest(), 5000), 1000, 5000)
    assert.same({ 12, 12000 }, { theirs.over_100us, theirs.max })
    assert.is_nil(deadlines.of_cyclictest("# Histogram\n", 1000, 5000))
  end)

  it("cannot be hidden by a method that reports fewer deadlines than were planned", function()
    assert.is_nil(deadlines.of_report({ errors_ns = loop(), void = "" }, count).void)
    assert.equal("29 of 40 deadlines were reported",
      deadlines.of_report({ errors_ns = cyclictest(), void = "" }, count).void)
    assert.equal("other bytes arrived", deadlines.of_report({ void = "other bytes arrived" }, count).void)
  end)

  it("costs anybody the share of deadlines that lie so long before its end", function()
    local share = deadlines.host_share { cpus = {
      { looked_ns = 1000 * ms, beyond_100us_ns = 11900000, beyond_1ms_ns = 11 * ms },
      { looked_ns = 1000 * ms, beyond_100us_ns = 0, beyond_1ms_ns = 0 },
    } }
    assert.is_true(math.abs(share.over_1ms - 0.0055) < 1e-9)
    assert.is_true(math.abs(share.over_100us - 0.00595) < 1e-9)
  end)
end)

describe("what a record costs", function()
  local costs = require "moonpulse.bench.cost_goals"

  local function rows_of(change)
    local cost = { pulses = 200000, lines = 10000, flight = 0.3, flight_reading = 0.2, virtual = 0.3,
      virtual_reading = 0.2, script = 1, script_reading = 0.1, export = 0.3, copying = 0.1,
      check = 0.3, check_reading = 0.2, real_run = { run = 1, hashing = 0.01 },
      virtual_run = { run = 1, hashing = 0.01 }, recover = 0.9,
      long_way = { { device = "stimjim", pulses = 20000, run = 0.19, verify = 0.19 } },
      runs = { count = 10000, first = 3, again = 0.05, looking = 0.04 } }
    for key, value in pairs(change or {}) do
      cost[key] = value or nil
    end
    local verdicts, medians = {}, {}
    costs.rows(cost, function(row)
      verdicts[row.what:match("^[^,/]+[,/][^,/]*")] = row.verdict
      medians[#medians + 1] = row.median
    end, goals.judge)
    return verdicts, medians
  end

  it("is held by goals, for a million pulses and a hundred thousand folders", function()
    local verdicts, medians = rows_of()
    for what, verdict in pairs(verdicts) do
      assert.are.equal("PASS", verdict, what)
    end
    assert.are.equal(18, #medians)
    assert.is_true(math.abs(medians[1] - 1.5) < 1e-9) -- 0.3 s for 200,000
    assert.is_true(math.abs(medians[5] - 9.5) < 1e-9) -- us: 0.19 s for 20,000
    assert.is_true(math.abs(medians[17] - 0.5) < 1e-9) -- 0.05 s for 10,000
  end)

  it("is missed by what takes longer", function()
    for _, case in ipairs { { "flight", 0.45, "verify, flight.bin" },
      { "export", 0.45, "export bids, CPU s for 1" },
      { "check", 0.45, "check-bids, CPU s for 1" }, { "script", 2, "verify.sh, 10" },
      { "runs", { count = 10000, again = 0.11, looking = 0.04 }, "moonpulse runs, CPU s for 100" },
      { "recover", 1.01, "recover, CPU s for 1" },
      { "long_way", { { device = "pulsepal", pulses = 20000, run = 1, verify = 0.21 } },
        "verify, a run of pulsepal" },
      { "virtual_run", { run = 100, hashing = 0.11 }, "hashing and chaining, --speed max " },
      { "real_run", { run = 1, hashing = 0.021 }, "hashing and chaining, 30 s in real time" } } do
      local verdicts = rows_of { [case[1]] = case[2] }
      local failed = false
      for what, verdict in pairs(verdicts) do
        failed = failed or verdict == "FAIL" and what:find(case[3], 1, true) == 1
      end
      assert.is_true(failed, case[3])
    end
  end)

  it("is not judged where it was not measured", function()
    local verdicts = rows_of { flight = false }
    assert.are.equal("not measured", verdicts["verify, flight.bin "] or verdicts["verify, flight.bin"])
    costs.rows(nil, function() error "a row of nothing" end, goals.judge)
  end)
end)

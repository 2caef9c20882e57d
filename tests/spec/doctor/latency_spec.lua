local core = require "moonpulse.core"
local latency = require "moonpulse.doctor.latency"
local require_timing = require "moonpulse.doctor.requirement"

local function expect(finding, status, ...)
  assert.equal(status, finding.status, finding.found)
  for _, phrase in ipairs { ... } do
    assert.truthy(finding.found:find(phrase, 1, true), finding.found .. " lacks " .. phrase)
  end
end

describe("the latency test", function()
  local function result(p99, late)
    return { count = 1000, p50 = 1e-7, p95 = 2e-7, p99 = p99, ["p99.9"] = 0.006, max = 0.007,
      late = late or 0, buckets = {
        { from = 0, to = 1e-7, count = 999 }, { from = 1e-7, to = 2e-7, count = 0 },
        { from = 2e-7, to = 5e-7, count = 1 }, { from = 5e-7, count = 0 },
      } }
  end

  it("leaves the loop to others while it measures, and counts every wake", function()
    local turns, ticking = 0, true
    core.spawn(function()
      while ticking do
        core.wait(0.005)
        turns = turns + 1
      end
    end)
    local told = 0
    local measured = latency.measure(0.3, { progress = function(_, wakes)
      assert.is_true(wakes >= told)
      told = wakes
    end })
    ticking = false
    assert.is_true(turns > 3)
    assert.equal(301, measured.count)
    assert.equal(301, told)
    assert.is_false(measured.stopped)
    assert.is_true(measured.p50 <= measured.p99 and measured.p99 <= measured["p99.9"])
    assert.is_true(measured.min >= 0 and measured["p99.9"] <= measured.max)
    local sum, beyond = 0, 0
    for i, bucket in ipairs(measured.buckets) do
      sum = sum + bucket.count
      assert.equal(measured.buckets[i + 1] and measured.buckets[i + 1].from, bucket.to)
      beyond = beyond + (bucket.from >= 0.001 and bucket.count or 0)
    end
    assert.equal(measured.count, sum)
    assert.is_true(measured.late <= beyond) -- the bucket's edge itself is not late
  end)

  it("ends early when told to", function()
    local calls = 0
    local measured = latency.measure(900, { stopped = function()
      calls = calls + 1
      return calls == 2
    end })
    assert.is_true(measured.stopped)
    assert.is_true(measured.count < 900 / latency.period_s)
  end)

  it("refuses what it could not hold", function()
    assert.has_error(function() core.latency_test(2000, 1e-3) end)
    assert.has_error(function() core.latency_test(0, 1e-3) end)
    assert.has_error(function() core.latency_test(0 / 0, 1e-3) end)
    local test, message = core.latency_test(1, 1e-4)
    assert.is_nil(test)
    assert.truthy(message:find("0.4 ms to 10 s", 1, true))
    test = core.latency_test(900, 1e-3)
    test:close()
    test:close()
    assert.has_error(function() test:progress() end, "attempt to use a closed latency test")
  end)

  it("judges by the documented limits, the limit included", function()
    assert.same({ "paired pulses", "bursts", "trains" }, latency.fit(result(0.0001)))
    assert.same({ "bursts", "trains" }, latency.fit(result(0.000101)))
    assert.same({ "trains" }, latency.fit(result(0.005)))
    assert.same({}, latency.fit(result(0.0051)))
    expect(latency.finding(result(0.0001)), "ok", "paired pulses, bursts, trains")
    expect(latency.finding(result(0.001)), "warn", "fit for bursts, trains")
    expect(latency.finding(result(0.006)), "bad", "fit for nothing timed", "trains need 5 ms")
    -- a good p99 with wakes that a run would stop at is not a clean bill
    expect(latency.finding(result(0.0001, 5)), "warn", "5 of 1,000 wakes over 1 ms",
      "about 3 in 600 pulses")
  end)

  it("draws every bucket from the first to the last that holds a wake", function()
    local lines = latency.histogram(result(0.0001))
    assert.equal(3, #lines)
    assert.equal("    0 us to 0.1 us       999  " .. ("#"):rep(40), lines[1])
    assert.equal("  0.1 us to 0.2 us         0  ", lines[2])
    assert.equal("  0.2 us to 0.5 us         1  " .. ("#"):rep(5), lines[3])
    assert.same({ "1 us", "999 us", "1 ms", "20 ms", "1 s" }, {
      latency.text(1e-6), latency.text(999e-6), latency.text(0.001), latency.text(0.02), latency.text(1),
    })
  end)

  it("compares with what a run requires", function()
    local measured = result(0.0004)
    local list = require_timing.parse("p99=0.5ms, max=2ms,p50=0.2us")
    assert.equal(3, #list)
    assert.same({ "p99", "max", "p50" }, { list[1].statistic, list[2].statistic, list[3].statistic })
    assert.near(0.0005, list[1].limit, 1e-12)
    assert.near(2e-7, list[3].limit, 1e-15)
    local ok, text = require_timing.judge(list, measured)
    assert.is_false(ok)
    assert.equal("p99 400 us, within 500 us; max 7 ms, over 2 ms; p50 0.1 us, within 0.2 us; "
      .. "1,000 wakes", text)
    assert.is_true((require_timing.judge(require_timing.parse("max=7ms"), measured)))
    measured.count = 999
    ok, text = require_timing.judge(require_timing.parse("p99.9=1s"), measured)
    assert.is_false(ok)
    assert.truthy(text:find("p99.9 needs 1,000 wakes", 1, true))
  end)

  it("refuses a requirement that it cannot read", function()
    for text, phrase in pairs {
      [""] = "write it like p99=0.5ms", ["p99"] = "write it like", ["p99=0.5"] = "units us, ms, s",
      ["p99=1min"] = "write it like", ["p99=1.2.3ms"] = "write it like", ["p99=1ms,"] = "write it like",
      ["p98=1ms"] = "is not measured", ["p99=0ms"] = "above 0", ["p99=1ms,p99=2ms"] = "required twice",
    } do
      local list, message = require_timing.parse(text)
      assert.is_nil(list, text)
      assert.truthy(message:find(phrase, 1, true), message)
    end
  end)

  it("measures for a run, and says when it was interrupted", function()
    local list = require_timing.parse("p50=10s")
    local ok, text, measured = require_timing.check(list, 0.1)
    assert.is_true(ok)
    assert.truthy(text:find("within 10 s", 1, true))
    assert.equal(101, measured.count)
    ok, text = require_timing.check(list, 900, { stopped = function() return true end })
    assert.is_nil(ok)
    assert.truthy(text:find("interrupted", 1, true))
  end)
end)

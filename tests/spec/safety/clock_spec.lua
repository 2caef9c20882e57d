--- Times as records have them, as seconds: against a calendar counted day by day, at every offset.
local clock = require "moonpulse.safety.clock"

local function is_leap(year)
  return year % 4 == 0 and (year % 100 ~= 0 or year % 400 == 0)
end

local lengths = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 }

describe("a time of a record", function()
  it("is so many seconds since 1970, on each day from then to 2410", function()
    local days = 0
    for year = 1970, 2410 do
      for month, length in ipairs(lengths) do
        for day = 1, month == 2 and is_leap(year) and 29 or length do
          local text = ("%04d-%02d-%02dT00:00:00Z"):format(year, month, day)
          if clock.seconds_of(text) ~= days * 86400 then
            assert.are.equal(days * 86400, clock.seconds_of(text), text)
          end
          days = days + 1
        end
      end
    end
    assert.are.equal(441 * 365 + 107, days) -- every fourth year of 441 but 2100, 2200 and 2300
  end)

  it("counts its hours, minutes and seconds, and is taken to universal time by its offset", function()
    local noon = 12 * 3600
    for text, seconds in pairs { ["12:00:00Z"] = noon, ["12:00:00+0000"] = noon, ["12:01:02Z"] = noon + 62,
      ["23:59:60Z"] = 86400, ["12:00:00+0130"] = noon - 5400, ["12:00:00-0130"] = noon + 5400,
      ["12:00:00+01:00"] = noon - 3600, ["12:00:00.75+0100"] = noon - 3600 } do
      assert.are.equal(seconds, clock.seconds_of("1970-01-01T" .. text), text)
    end
  end)

  it("without an offset is by this computer's clock", function()
    assert.are.equal(os.time { year = 2026, month = 11, day = 25, hour = 10, min = 20, sec = 30 },
      clock.seconds_of("2026-11-25T10:20:30"))
  end)

  it("that there is not is none", function()
    for _, text in ipairs { "2026-00-10T00:00:00Z", "2026-13-10T00:00:00Z", "2026-01-00T00:00:00Z",
      "2026-01-32T00:00:00Z", "2026-01-01T24:00:00Z", "2026-01-01T00:60:00Z", "2026-01-01T00:00:61Z",
      "2026-01-01", "yesterday" } do
      assert.is_nil(clock.seconds_of(text), text)
    end
    assert.is_nil(clock.seconds_of(nil))
    for _, text in ipairs { "2026-01-31T00:00:00Z", "2026-12-01T23:59:60Z" } do
      assert.is_truthy(clock.seconds_of(text), text)
    end
  end)
end)

describe("two instants", function()
  it("are on the same day by this computer's clock, fractions included", function()
    local noon = os.time { year = 2026, month = 11, day = 25, hour = 12 }
    assert.is_true(clock.same_day(noon, noon + 0.5))
    assert.is_true(clock.same_day(noon - 11 * 3600, noon + 11 * 3600))
    assert.is_false(clock.same_day(noon, noon + 13 * 3600))
    assert.are.equal("2026-11-25", clock.day(noon + 0.25))
  end)
end)

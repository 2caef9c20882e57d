-- Percentiles and bins.
local stats = require "moonpulse.drawing.stats"

describe("moonpulse.drawing.stats", function()
  it("takes percentiles by nearest rank", function()
    local five = { 15, 20, 35, 40, 50 }
    assert.equal(15, stats.percentile(five, 5))
    assert.equal(20, stats.percentile(five, 30))
    assert.equal(20, stats.percentile(five, 40))
    assert.equal(35, stats.percentile(five, 50))
    assert.equal(50, stats.percentile(five, 100))
    assert.is_nil(stats.percentile({}, 50))
    local hundred = {}
    for i = 1, 100 do
      hundred[i] = i
    end
    for percent = 1, 100 do
      assert.equal(percent, stats.percentile(hundred, percent))
    end
  end)

  it("knows how many values p95 and p99 need", function()
    for p, n in pairs { [0.95] = stats.enough_for_p95, [0.99] = stats.enough_for_p99 } do
      assert.is_true(1 - p ^ n >= 0.95)
      assert.is_true(1 - p ^ (n - 1) < 0.95)
    end
  end)

  it("puts every value in one bin of the histogram, on either axis", function()
    for _, values in ipairs { { 0 }, { 0, 0, 0 }, { -5, 5 }, { 100, 100 }, { 1, 2, 3, 5000 },
      { 0, 0, 0, 1e6 }, { -3e5, 1, 1, 1 } } do
      local h = stats.histogram(stats.describe(values))
      local sum = 0
      for _, n in ipairs(h.counts) do
        sum = sum + n
      end
      assert.equal(#values, sum)
      assert.is_true(h.lo < h.hi and #h.counts <= 100)
    end
    assert.is_true(stats.histogram(stats.describe { 1, 2, 3, 5000 }).log)
    assert.is_false(stats.histogram(stats.describe { 40, 60, 90, 300 }).log)
  end)
end)

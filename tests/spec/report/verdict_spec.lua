-- The headline: one sentence on what happened, and how good the news is.
local pages = require "report_page"

local pulse, page_of, verdict = pages.pulse, pages.page_of, pages.verdict
local has, lacks, fact = pages.has, pages.lacks, pages.fact

describe("the report's", function()
  pages.each_test()

  describe("verdict", function()
    local function run(manifest, rows)
      return verdict(page_of(manifest, rows))
    end

    local function manifest_of(status, planned, more)
      local out = { device = { simulated = false }, speed = 1,
                    result = { status = status, pulses_planned = planned } }
      for key, value in pairs(more or {}) do
        out[key] = value
      end
      return out
    end

    it("says that all went well, with the largest onset error", function()
      assert.equal("2 of 2 pulses delivered and confirmed; the largest onset error was 0.21 ms.",
        run(manifest_of("completed", 2), { pulse(1, 0, 12.5, 900), pulse(2, 1e6, 210, 900) }))
    end)

    it("counts an early pulse by the size of its error", function()
      assert.equal("2 of 2 pulses delivered and confirmed; the largest onset error was 30.5 µs.",
        run(manifest_of("completed", 2), { pulse(1, 0, 12.5, 900), pulse(2, 1e6, -30.5, 900) }))
    end)

    it("says who confirmed when the device is simulated", function()
      local manifest = manifest_of("completed", 1, { device = { simulated = true } })
      assert.equal("1 of 1 pulse delivered and confirmed by a simulator; "
        .. "the largest onset error was 5.0 µs.", run(manifest, { pulse(1, 0, 5, 900) }))
    end)

    it("does not call a sent pulse delivered when nothing confirmed it", function()
      local sentence = run(manifest_of("completed", 2), { pulse(1, 0, 5), pulse(2, 1e6, 5) })
      assert.equal("2 of 2 pulses sent, none confirmed; the largest onset error was 5.0 µs.",
        sentence)
    end)

    it("misses no confirmation of one of several devices that cannot, and each of one that can", function()
      local right = { channel = "right" }
      for left, wanted in pairs { [900] = "AS PLANNED", [false] = "WITH NOTES" } do
        local page = page_of(manifest_of("completed", 3, { device = { simulated = false, devices = {
          { place = "left", channels = { "left" } }, { place = "right", channels = { "right" },
            confirms = false } } } }), { pulse(1, 0, 5, 900, { channel = "left" }),
          pulse(2, 1e6, 5, left or nil, { channel = "left" }), pulse(3, 2e6, 5, nil, right) })
        has(page, wanted)
        has(page, "confirmed (1 of right, which cannot confirm any)")
        local of_table = left and lacks or has
        of_table(page, "Pulses that did not go as planned")
      end
    end)

    it("says how many pulses a stopped run gave, and why it stopped", function()
      local manifest = manifest_of("stopped", 600)
      manifest.result.reason = "Ctrl-C at 62.1 s."
      assert.equal("STOPPED after 2 of 600 pulses: Ctrl-C at 62.1 s; all confirmed; "
        .. "the largest onset error was 8.0 µs.",
        run(manifest, { pulse(1, 0, 5, 900), pulse(2, 1e6, 8, 900) }))
    end)

    it("names any other ending and a reason that is missing", function()
      assert.equal("DEVICE FAULT before the first of 600 pulses: reason not recorded.",
        run(manifest_of("device fault", 600), {}))
    end)

    it("does not accept 'completed' when pulses are missing", function()
      assert.equal("INCOMPLETE: 1 of 2 pulses delivered and confirmed; "
        .. "the largest onset error was 5.0 µs.",
        run(manifest_of("completed", 2), { pulse(1, 0, 5, 900), pulse(2, 1e6) }))
    end)

    it("does not accept more pulses than planned", function()
      assert.is_truthy(run(manifest_of("completed", 1),
        { pulse(1, 0, 5, 900), pulse(2, 1e6, 5, 900) }):find("^MORE THAN PLANNED: 2 of 1 pulse "))
    end)

    it("claims no timing in virtual time", function()
      local manifest = manifest_of("completed", 1, { speed = "max", device = { simulated = true } })
      local html = page_of(manifest, { pulse(1, 0, 0, nil, { status = "simulated" }) })
      assert.equal("1 of 1 pulse sent to a simulator, none confirmed; "
        .. "virtual time, so no onset error was measured.", verdict(html))
      lacks(html, "Histogram of onset errors")
      assert.equal("Virtual time (no real clock; no timing measured)", fact(html, "Time"))
    end)

    it("says when the ending was not recorded", function()
      assert.is_truthy(run({}, { pulse(1, 0, 5, 900) }):find(
        "^ENDING NOT RECORDED: 1 pulse %(number planned not recorded%) delivered and confirmed;"))
    end)

    it("points out that the manifest disagrees with the rows", function()
      local manifest = manifest_of("completed", 1)
      manifest.result.pulses_sent = 2
      local html = page_of(manifest, { pulse(1, 0, 5, 900) })
      has(verdict(html), "does not fully agree with itself")
      has(html, '<td class="n">2</td><td class="n">1</td><td>DISAGREE</td>')
    end)
  end)
end)

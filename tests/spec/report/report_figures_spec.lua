-- Every figure is computed here once more, from what the rows were made of.
local pages = require "report_page"

local pulse, page_of, has, lacks = pages.pulse, pages.page_of, pages.has, pages.lacks
local fact, itbs_onsets = pages.fact, pages.itbs_onsets
local itbs_manifest, itbs_run = pages.itbs_manifest, pages.itbs_run

describe("the report's", function()
  pages.each_test()

  describe("figures", function()
    it("equal a separate computation for an iTBS-600 run", function()
      local rows, late = itbs_run()
      local html = page_of(itbs_manifest(), rows)
      table.sort(late)
      -- Nearest ranks of 600 values: 50 % is the 300th, 95 % the 570th, 99 % the 594th.
      has(html, string.format('<td class="n">600</td><td class="n">%.1f</td><td class="n">%.1f</td>'
        .. '<td class="n">%.1f</td><td class="n">%.1f</td><td class="n">%.1f</td>', late[1],
        late[300], late[570], late[594], late[600]))
      assert.equal("600", fact(html, "Pulses planned"))
      assert.equal("600", fact(html, "Pulses sent"))
      assert.equal("600", fact(html, "Pulses confirmed by the device"))
      assert.equal("36 %MSO", fact(html, "Intensity, %MSO"))
      assert.equal("80 % of AMT", fact(html, "Intensity, % of AMT"))
      assert.equal("191.84 s (3 min 11.84 s)",
        fact(html, "Duration: first to last pulse, as planned"))
      assert.equal("192 s (3 min 12 s)", fact(html, "Duration: nominal end, as planned"))
      assert.equal("200 s (3 min 20 s)", fact(html, "Duration: whole cycles, as planned"))
      -- Replies came 1001 ... 1600 µs after the command.
      assert.equal("1.30 ms", fact(html, "Reply latency, p50"))
      assert.equal("1.60 ms", fact(html, "Reply latency, max"))
      lacks(html, "Caution")
    end)

    it("give interval errors by planned interval", function()
      local rows, late = itbs_run()
      local html = page_of(itbs_manifest(), rows)
      local onsets = itbs_onsets()
      local sum, n, worst, shortest, longest = 0, 0, 0, math.huge, 0
      local all = {}
      for i = 2, 600 do
        local change = late[i] - late[i - 1]
        all[#all + 1] = math.abs(change)
        if onsets[i] - onsets[i - 1] == 20e3 then
          n, sum, worst = n + 1, sum + 20e3 + change, math.max(worst, math.abs(change))
          shortest = math.min(shortest, 20e3 + change)
          longest = math.max(longest, 20e3 + change)
        end
      end
      table.sort(all)
      assert.equal(400, n)
      has(html, string.format('<th scope="row" class="n">20 ms</th><td class="n">400</td>'
        .. '<td class="n">%.4f</td><td class="n">%.4f</td><td class="n">%.4f</td>'
        .. '<td class="n">%.1f</td>', sum / n / 1e3, shortest / 1e3, longest / 1e3, worst))
      has(html, '<th scope="row" class="n">160 ms</th><td class="n">180</td>')
      has(html, '<th scope="row" class="n">8.16 s</th><td class="n">19</td>')
      -- 599 intervals: 50 % is the 300th, 99 % the 594th.
      has(html, string.format('Interval error</th><td class="n">599</td><td class="n">%.1f</td>'
        .. '<td class="n">%.1f</td>', all[1], all[300]))
    end)

    it("leave out intervals across a pulse that was not sent", function()
      local html = page_of({ speed = 1 }, { pulse(1, 0, 5, 900), pulse(2, 1e6),
        pulse(3, 2e6, 5, 900), pulse(4, 3e6, 9, 900) })
      has(html, '<th scope="row" class="n">1 s</th><td class="n">1</td>')
      has(html, '<td class="n">4.0</td></tr>')
      lacks(html, 'Size of interval error') -- one interval has no percentiles
    end)

    it("mark a percentage that was computed from a threshold", function()
      local rows = { pulse(1, 0, 5, 900, { intensity_mso = 60, intensity = 60,
                                           intensity_ref = "MSO" }) }
      local html = page_of({ thresholds = { rmt = 50 } }, rows)
      assert.equal("120 % of RMT", fact(html, "Intensity, % of RMT (computed)"))
      assert.equal("not recorded", fact(html, "Active motor threshold (AMT)"))
    end)

    it("warn when there are too few pulses for p99", function()
      local function warned(n)
        local rows = {}
        for i = 1, n do
          rows[i] = pulse(i, i * 1e5, i % 7, 900)
        end
        return page_of({ speed = 1 }, rows):find("too small for p99", 1, true) ~= nil
      end
      assert.is_true(warned(2))
      assert.is_true(warned(298))
      assert.is_false(warned(299))
    end)

    it("give no percentiles, and draw nothing, of a single pulse", function()
      local html = page_of({ speed = 1, result = { status = "completed", pulses_planned = 1 } },
        { pulse(1, 0, 5.25, 900) })
      has(html, "Of 1 pulse: 5.2 µs (positive is late).")
      for _, word in ipairs { "p50 (µs)", "p99 (µs)", "p95 5", "Histogram", "too small for p99" } do
        lacks(html, word)
      end
    end)

    it("count 'delivered' as confirmed even where the time of the reply is missing", function()
      local html = page_of({}, { pulse(1, 0, 5, nil, { status = "delivered" }) })
      assert.equal("1", fact(html, "Pulses confirmed by the device"))
      assert.equal("0", fact(html, "Replies with a time (n)"))
      assert.equal("not recorded", fact(html, "Reply latency, p50"))
    end)

    it("keep a seed beyond 2^53 to the last digit", function()
      local html = page_of('{"seed": 9007199254740993, "parameters": {}}', {})
      assert.equal("9007199254740993", fact(html, "Seed"))
    end)
  end)

  describe("pulses that did not go as planned", function()
    it("are listed up to fifty, then counted", function()
      local rows = { pulse(1, 0, 5, 900) }
      for i = 2, 63 do
        rows[i] = pulse(i, i * 1e5)
      end
      local html = page_of({ result = { status = "completed", pulses_planned = 63 } }, rows)
      local _, listed = html:gsub("skipped %(not sent%)", "")
      assert.equal(50, listed)
      has(html, "and 12 more.")
    end)

    it("include pulses that were never reached, as ranges", function()
      local html = page_of({ protocol = { pulses = 600 } },
        { pulse(1, 0, 5, 900), pulse(2, 1e5, 5, 900), pulse(4, 3e5, 5, 900) })
      has(html, "597 planned pulses never reached, or without a row in events.tsv: 3, 5–600.")
    end)

    it("include a refusal, a late pulse and a missing confirmation", function()
      local html = page_of({}, { pulse(1, 0, 5, 900), pulse(2, 1e6, 5),
        pulse(3, 2e6, 5, 900, { status = "rejected" }),
        pulse(4, 3e6, 1500, 900, { status = "late" }),
        pulse(5, 4e6, nil, nil, { status = "late" }) })
      for _, words in ipairs { "<td>sent, not confirmed</td>",
        "<td>rejected (sent, not confirmed)</td>", "<td>late (sent)</td>",
        "<td>late (not sent)</td>" } do
        has(html, words)
      end
      assert.equal("4", fact(html, "Pulses sent"))
      assert.equal("2", fact(html, "Pulses confirmed by the device"))
    end)
  end)
end)

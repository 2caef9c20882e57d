-- The page as a whole: what it needs, what it escapes, and what it says where the record is poor.
local text = require "moonpulse.drawing.text"
local report = require "moonpulse.report"
local pages = require "report_page"

local put, pulse, page_of, verdict, has = pages.put, pages.pulse, pages.page_of, pages.verdict, pages.has
local lacks, fact, itbs_manifest, itbs_run = pages.lacks, pages.fact, pages.itbs_manifest, pages.itbs_run

describe("moonpulse.report", function()
  pages.each_test()

  describe("page", function()
    it("escapes text from every part of the record", function()
      local bad = [[<script>alert("x")</script>&'<img src=x onerror=y>]]
      local m = { speed = bad, seed = bad, started = bad, parameters = { [bad] = bad } }
      m.moonpulse = { version = bad }
      m.protocol = { id = bad, name = bad, cite = bad, target = bad, outline = bad, file = bad }
      m.device = { name = bad, description = bad, model = bad, serial = bad, port = bad }
      m.host = { kernel = bad, cpus = bad, realtime = bad, [bad] = bad }
      m.thresholds = { rmt = bad, amt = bad }
      m.result = { status = bad, reason = bad }
      local html = page_of(m, {
        pulse(1, 0, 5, 900, { trial_type = bad, channel = bad, reply = bad, status = bad }),
        pulse(2, 1e6, 5, 900, { intensity_ref = bad, reply = bad }),
        { event = "mark", onset = "0.5", trial_type = bad } })
      assert.equal(1, select(2, html:lower():gsub("<script", ""))) -- the page's own, without anything of this
      lacks(html:match("<script>(.-)</script>"), "alert")
      lacks(html, "<img")
      has(html, "&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;&amp;&#39;&lt;img src=x")
    end)

    it("shows broken UTF-8 and control bytes instead of passing them on", function()
      assert.equal("a\\xFFb\\x00\\x1B", text.escape("a\xFFb\0\27"))
      assert.equal("µ\tok", text.escape("µ\tok"))
      local html = page_of({}, { pulse(1, 0, 5, 900, { reply = "\xFE\x01" }) })
      has(html, "\\xFE\\x01")
      assert.is_truthy(utf8.len(html))
    end)

    it("needs nothing from outside, and runs its own script, by its hash, and no other", function()
      local html = page_of(itbs_manifest(), (itbs_run()))
      for _, word in ipairs { "http:", "https:", "<link", "<img", "@import", "url(", "src=", "eval(",
        "innerHTML", "fetch(", "XMLHttpRequest", "import(" } do
        lacks(html, word)
      end
      assert.equal(1, select(2, html:gsub("<script", "")))
      put("script.js", html:match("<script>(.-)</script>"))
      local pipe = assert(io.popen("openssl dgst -sha256 -binary " .. pages.folder .. "/script.js | base64"))
      local hash = pipe:read("l")
      pipe:close()
      has(html, "content=\"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-" .. hash
        .. "'\"")
    end)

    it("gives every figure a title and a description, and every table headers", function()
      local html = page_of(itbs_manifest(), (itbs_run()))
      local figures = 0
      for svg in html:gmatch("<figure[^>]*>(<svg.-</svg>)") do
        figures = figures + 1
        local title, description = svg:match('aria%-labelledby="(%S+) (%S+)"')
        has(svg, '<title id="' .. title .. '">')
        has(svg, '<desc id="' .. description .. '">')
      end
      assert.equal(4, figures)
      for grid in html:gmatch("<table.-</table>") do
        has(grid, "<caption>")
        has(grid, '<th scope="')
      end
    end)

    it("closes every element that it opens", function()
      local void = { meta = true, ["!DOCTYPE"] = true }
      local stack = {}
      local html = page_of(itbs_manifest(), (itbs_run())):gsub("<style>.-</style>", "")
        :gsub("<script>.-</script>", "<script></script>")
      for slash, name, rest in html:gmatch("<(/?)([%a!][%w]*)([^>]*)>") do
        if slash == "/" then
          assert.equal(name, table.remove(stack))
        elseif not void[name] and rest:sub(-1) ~= "/" then
          stack[#stack + 1] = name
        end
      end
      assert.equal(0, #stack)
    end)

    it("says 'research software, not a medical device' and the version", function()
      local html = page_of(itbs_manifest(), {})
      has(html, "version 9.8.7. Research software, not a medical device.")
    end)
  end)

  describe("numbers that no run writes", function()
    it("are as if they were missing, in whatever column", function()
      local columns_of_numbers = { "onset", "onset_planned_us", "onset_sent_us", "onset_confirmed_us",
        "lateness_us", "pulse", "intensity_mso", "intensity" }
      for _, name in ipairs(columns_of_numbers) do
        for _, value in ipairs { "-1e308", "1e308", "1e999", "nan", "-inf", "9999999999999999999", "1e16" } do
          local rows = { pulse(1, 0, 1, 100), pulse(2, 100000, 1, 100, { [name] = value }) }
          assert.is_truthy(page_of({ protocol = { name = "X" } }, rows):find("</html>", 1, true), name)
        end
      end
    end)
  end)

  describe("missing things", function()
    it("are 'not recorded' when the manifest is empty, null or of the wrong type", function()
      for _, manifest in ipairs { "{}", '{"protocol":null,"result":{"lateness_us":null}}',
        '{"protocol":"x","device":7,"host":[],"result":"y","parameters":5,"thresholds":[1]}' } do
        local html = page_of(manifest, { pulse(1, 0, 5, 900) })
        for _, name in ipairs { "Citation", "Serial number", "Elapsed", "Kernel", "Seed",
          "Simulated or real", "Time", "Duration: nominal end, as planned" } do
          assert.equal("not recorded", fact(html, name))
        end
        lacks(html, "userdata")
        lacks(html, "nil")
      end
    end)

    it("do no harm one at a time", function()
      local full = itbs_manifest()
      local rows = { pulse(1, 0, 5, 900), pulse(2, 1e6) }
      for key in pairs(full) do
        local part = itbs_manifest()
        part[key] = nil
        page_of(part, rows)
      end
      for _, name in ipairs(pages.columns) do
        if name ~= "event" then
          local less = pulse(1, 0, 5, 900)
          less[name] = nil
          page_of(full, { less, pulse(2, 1e6, 5, 900) })
        end
      end
    end)

    it("make no figures up when a run has no pulses", function()
      local html = page_of({ speed = 1, result = { status = "completed", pulses_planned = 0 } }, {})
      assert.equal("No pulse was planned and none was sent.", verdict(html))
      lacks(html, "<figure")
      lacks(html, "nan")
      lacks(html, "inf<")
      has(html, "No sent pulse has a recorded onset error.")
    end)

    it("include half a row at the end of an interrupted file", function()
      local half = pages.tsv { pulse(1, 0, 5, 900) } .. "1.000005\t0\tn/a\t2\tpul"
      local html = page_of({}, half)
      has(html, "1 row of events.tsv with the wrong number of columns")
      assert.equal("1", fact(html, "Pulses sent"))
    end)

    it("are an error only where there is nothing to report on", function()
      local path, err = report.write(pages.folder)
      assert.is_nil(path)
      assert.is_truthy(err:find("manifest.json", 1, true))
      put("manifest.json", "{}")
      path, err = report.write(pages.folder)
      assert.is_nil(path)
      assert.is_truthy(err:find("events.tsv", 1, true))
      put("events.tsv", "a\tb\n")
      path, err = report.write(pages.folder)
      assert.is_nil(path)
      assert.is_truthy(err:find("no column 'event'", 1, true))
      put("manifest.json", "{oops")
      path, err = report.write(pages.folder)
      assert.is_nil(path)
      assert.is_truthy(err:find("not a JSON object", 1, true))
      assert.is_nil(io.open(pages.folder .. "/report.html"))
    end)
  end)

  it("keeps the page small when pulses outnumber pixels", function()
    local rows = {}
    for i = 1, 20000 do
      rows[i] = pulse(i, i * 1e4 + (i // 100) * 1e6, i % 91 + 0.5, 900,
        { intensity_mso = 30 + i % 50 })
    end
    assert.is_true(#page_of({ speed = 1 }, rows) < 100 * 1024)
  end)
end)

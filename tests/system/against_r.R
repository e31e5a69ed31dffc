# What R finds, for test_against_r.py: Rscript against_r.R QUESTION FOLDER.
# Reads the CSV files of the folder that a question needs and writes found.csv there: a row a number, under its name.

arguments <- commandArgs(trailingOnly = TRUE)
folder <- arguments[2]
z95 <- qnorm(0.975)

table_of <- function(name) read.csv(file.path(folder, paste0(name, ".csv")), na.strings = c("", "NA"))

# Leaves with status 3, which is a reason to skip, where a package is not there.
need <- function(...) {
  for (package in c(...)) {
    if (!requireNamespace(package, quietly = TRUE)) {
      message("R has no package ", package, " (Debian: apt install r-cran-", tolower(package), ")")
      quit(status = 3)
    }
  }
}

# Each function's answer under its name, for each part of a table, side by side.
for_each <- function(table, by, ask) {
  found <- lapply(split(table, table[[by]]), ask)
  sapply(names(found[[1]]), function(name) unlist(lapply(found, `[[`, name)), simplify = FALSE)
}

robust <- function(fit, type) sqrt(diag(sandwich::vcovHC(fit, type)))[2]

# One day at a time: y on treated, by claimant.
one_day <- function() {
  need("sandwich", "estimatr")
  for_each(table_of("people"), "day", function(people) {
    fit <- lm(y ~ treated, people)
    clustered <- sandwich::vcovCL(fit, people$team, "HC1")
    list(
      estimate = coef(fit)[2], cr0 = robust(fit, "HC0"), cr1 = robust(fit, "HC1"), hc2 = robust(fit, "HC2"),
      estimatr = estimatr::lm_robust(y ~ treated, people, se_type = "HC2")$std.error[2], teams = sqrt(clustered[2, 2])
    )
  })
}

# Newcombe's limits from the one-sample score limits of prop.test, and the two-sample test, a row a pair of shares.
shares <- function() {
  counts <- table_of("counts")
  limits <- function(x, n) {
    sapply(seq_along(x), function(i) suppressWarnings(prop.test(x[i], n[i], correct = FALSE))$conf.int)
  }
  one <- limits(counts$x1, counts$n1)
  other <- limits(counts$x2, counts$n2)
  p <- counts$x1 / counts$n1
  q <- counts$x2 / counts$n2
  test <- lapply(seq_len(nrow(counts)), function(i) {
    with(counts[i, ], suppressWarnings(prop.test(c(x1, x2), c(n1, n2), correct = FALSE)))
  })
  list(
    low = p - q - sqrt((p - one[1, ])^2 + (other[2, ] - q)^2),
    high = p - q + sqrt((one[2, ] - p)^2 + (q - other[1, ])^2),
    statistic = sapply(test, function(each) unname(each$statistic)), p = sapply(test, `[[`, "p.value")
  )
}

# A number a claimant: Welch, HC2, and differences within blocks.
totals <- function() {
  need("sandwich", "estimatr")
  people <- table_of("people")
  one <- people$days[people$treated == 1]
  other <- people$days[people$treated == 0]
  welch <- t.test(one, other)
  blocked <- estimatr::difference_in_means(days ~ treated, people, blocks = site)
  apart <- mean(one) - mean(other)
  list(
    estimate = apart, hc2 = robust(lm(days ~ treated, people), "HC2"), welch = welch$stderr,
    statistic = welch$statistic, low = apart - z95 * welch$stderr, high = apart + z95 * welch$stderr,
    p = 2 * pnorm(-abs(welch$statistic)), blocked = blocked$coefficients, blocked_error = blocked$std.error
  )
}

# Claimant-days: the saturated regression, clustered on claimants or on teams.
saturated <- function() {
  need("sandwich", "clubSandwich")
  days <- table_of("days")
  days$day <- factor(days$day)
  fit <- lm(on ~ 0 + day + day:treated, days)
  effect <- grep(":treated", names(coef(fit)))
  by <- function(units, type, cadjust) sandwich::vcovCL(fit, units, type, cadjust = cadjust)[effect, effect]
  side <- function(treated) {
    mine <- days[days$treated == treated, ]
    sandwich::vcovCL(lm(on ~ 0 + day, mine), mine$row, "HC0", cadjust = TRUE)
  }
  teams <- unique(days$team)
  left_out <- sapply(teams, function(team) {
    coef(lm(on ~ 0 + day + day:treated, days[days$team != team, ]))[effect] - coef(fit)[effect]
  })
  share <- (length(teams) - 1) / length(teams)
  list(
    estimate = coef(fit)[effect], cr0 = by(days$row, "HC0", FALSE), cr1 = by(days$row, "HC1", TRUE),
    hc2 = side(1) + side(0), teams_cr0 = by(days$team, "HC0", FALSE), teams_hc2 = by(days$team, "HC0", TRUE),
    teams_cr1 = by(days$team, "HC1", TRUE), teams_jackknife = by(days$team, "HC3", FALSE),
    left_out = share * tcrossprod(left_out),
    club = share * as.matrix(clubSandwich::vcovCR(fit, days$team, "CR3"))[effect, effect]
  )
}

# Lin's regression on each day, then all days and covariates in one regression, clustered on claimants.
adjusted <- function() {
  need("sandwich", "estimatr")
  days <- table_of("days")
  x <- grep("^x", names(days), value = TRUE)
  daily <- for_each(days, "day", function(mine) {
    lin <- function(type) estimatr::lm_lin(on ~ treated, reformulate(x), mine, se_type = type)$std.error[2]
    centred <- scale(as.matrix(mine[x]), scale = FALSE)
    fit <- lm(on ~ treated * centred, mine)
    list(estimate = coef(fit)[2], cr0 = lin("HC0"), cr1 = lin("HC1"), hc2 = lin("HC2"), sandwich = robust(fit, "HC2"))
  })
  day <- factor(days$day)
  design <- model.matrix(reformulate(c("0", "day", paste0("day:", x)), intercept = FALSE), cbind(days[x], day = day))
  design <- cbind(design * days$treated, design * (1 - days$treated))
  fit <- lm(days$on ~ 0 + design)
  at <- c(rep(1, nlevels(day)), unlist(lapply(x, function(each) tapply(days[[each]], day, mean))))
  at <- c(at, -at)
  summed <- function(type, cadjust) sqrt(drop(at %*% sandwich::vcovCL(fit, days$row, type, cadjust = cadjust) %*% at))
  c(daily, list(sum = sum(at * coef(fit)), sum_cr0 = summed("HC0", FALSE), sum_cr1 = summed("HC1", TRUE)))
}

# Days of everybody on covariates centred on all: the intercept of each side's own regression.
adjusted_totals <- function() {
  need("sandwich")
  people <- table_of("people")
  x <- as.matrix(people[grep("^x", names(people))])
  x <- scale(x, scale = FALSE)
  side <- function(treated) {
    fit <- lm(people$days[people$treated == treated] ~ x[people$treated == treated, ])
    c(coef(fit)[1], sandwich::vcovHC(fit, "HC1")[1, 1])
  }
  list(estimate = side(1)[1] - side(0)[1], hc2 = sqrt(side(1)[2] + side(0)[2]))
}

# Two-stage least squares, and |z| of the test that an Anderson-Rubin set inverts, at its ends.
receipt <- function() {
  need("sandwich", "estimatr", "AER")
  people <- table_of("people")
  iv <- estimatr::iv_robust(days ~ received | treated, people, se_type = "HC0")
  older <- AER::ivreg(days ~ received | treated, data = people)
  unexplained <- lm(residuals(older) ~ treated, people)
  first <- lm(received ~ treated, people)
  ends <- sapply(table_of("ends")$value, function(b) {
    fit <- lm(I(days - b * received) ~ treated, people)
    abs(coef(fit)[2]) / robust(fit, "HC2")
  })
  list(
    cace = iv$coefficients[2], cr0 = iv$std.error[2], older = robust(older, "HC0"),
    hc2 = robust(unexplained, "HC2") / abs(coef(first)[2]), receipt = coef(first)[2],
    receipt_error = robust(first, "HC2"), ends = ends, z95 = z95
  )
}

# From days on and off, plain: how long until the event, and whether it was seen.
wait <- function(on, event, gap) {
  n <- length(on)
  off <- which(!on)
  if (n == 0 || !on[1] || (event == "re_entry" && !length(off))) {
    return(c(NA, NA))
  }
  if (event == "first_exit") {
    return(if (length(off)) c(off[1] - 1, 1) else c(n - 1, 0))
  }
  if (event == "re_entry") {
    back <- which(on[off[1]:n])
    return(if (length(back)) c(back[1] - 1, 1) else c(n - off[1], 0))
  }
  known <- n - gap + 1
  for (day in seq_len(max(known, 0))) {
    if (!any(on[day:(day + gap - 1)])) {
      return(c(day - 1, 1))
    }
  }
  c(known - 1, 0)
}

survival <- function() {
  need("survival")
  Surv <- survival::Surv
  asked <- table_of("asked")
  days <- table_of("days")
  people <- unique(days[c("row", "treated", "team")])
  waits <- sapply(people$row, function(row) {
    mine <- days[days$row == row, ]
    if (mine$day[1] > 0) c(NA, NA) else wait(mine$on == 1, asked$event, asked$gap)
  })
  people <- cbind(people, lasted = waits[1, ], happened = waits[2, ])
  people <- people[!is.na(people$lasted) & people$lasted > 0, ]
  curve <- function(treated, name) {
    mine <- people[people$treated == treated, ]
    fit <- survival::survfit(Surv(lasted, happened) ~ 1, mine, conf.type = "log-log")
    found <- list(fit$time, fit$n.risk, fit$n.event, fit$surv, fit$lower, fit$upper)
    found <- c(found, summary(fit, rmean = asked$horizon)$table["rmean"])
    setNames(found, paste(name, c("day", "n_at_risk", "n_events", "estimate", "conf_low", "conf_high", "mean")))
  }
  exactly <- survival::coxph.control(eps = 1e-11, iter.max = 100)
  test <- survival::survdiff(Surv(lasted, happened) ~ treated, people)
  cox <- survival::coxph(Surv(lasted, happened) ~ treated, people, ties = "efron", control = exactly)
  by_team <- survival::coxph(
    Surv(lasted, happened) ~ treated, people,
    ties = "efron", control = exactly, cluster = team, robust = TRUE
  )
  cox_p <- 2 * pnorm(-abs(coef(cox)) / sqrt(diag(vcov(cox))))
  log_rank <- c(test$chisq, pchisq(test$chisq, 1, lower.tail = FALSE))
  cox <- c(coef(cox), sqrt(diag(vcov(cox))), cox_p)
  teams <- c(coef(by_team), sqrt(diag(vcov(by_team))))
  c(curve(1, "treatment"), curve(0, "control"), list(log_rank = log_rank, cox = cox, teams = teams))
}

# Levels, a mean, standardised differences, and all together.
balance <- function() {
  people <- table_of("people")
  one <- people[people$treated == 1, ]
  other <- people[people$treated == 0, ]
  of_level <- function(level) {
    x <- c(sum(one$region == level, na.rm = TRUE), sum(other$region == level, na.rm = TRUE))
    n <- c(sum(!is.na(one$region)), sum(!is.na(other$region)))
    test <- prop.test(x, n, correct = FALSE)
    p <- x / n
    apart <- p[1] - p[2]
    c(apart, apart / sqrt(sum(p * (1 - p)) / 2), sign(apart) * sqrt(test$statistic), test$p.value)
  }
  welch <- t.test(one$score, other$score)
  apart <- mean(one$score, na.rm = TRUE) - mean(other$score, na.rm = TRUE)
  spread <- sqrt((var(one$score, na.rm = TRUE) + var(other$score, na.rm = TRUE)) / 2)
  known <- people[complete.cases(people), ]
  columns <- model.matrix(~ region + score, known)[, -1]
  sides <- list(columns[known$treated == 1, ], columns[known$treated == 0, ])
  together <- cov(columns) * (1 / nrow(sides[[1]]) + 1 / nrow(sides[[2]]))
  wald <- mahalanobis(colMeans(sides[[1]]), colMeans(sides[[2]]), together)
  list(
    levels = sapply(sort(unique(na.omit(people$region))), of_level),
    mean = c(apart, apart / spread, welch$statistic, 2 * pnorm(-abs(welch$statistic))),
    joint = c(wald, ncol(columns), pchisq(wald, ncol(columns), lower.tail = FALSE))
  )
}

# Counts against a design: two arms, three arms, and tables.
counts <- function() {
  rows <- function(name, ask) {
    table <- table_of(name)
    sapply(seq_len(nrow(table)), function(i) ask(unlist(table[i, ])))
  }
  quiet <- function(...) suppressWarnings(chisq.test(..., correct = FALSE))
  two_rows <- function(x) matrix(x, 2, byrow = TRUE)
  # Of three arms, every way that so many people can fall: the chance of a statistic at least as large.
  exactly <- function(x) {
    n <- sum(x[1:3])
    expected <- n * x[4:6] / sum(x[4:6])
    every <- subset(expand.grid(a = 0:n, b = 0:n), a + b <= n)
    every <- cbind(every$a, every$b, n - every$a - every$b)
    statistic <- function(found) sum((found - expected)^2 / expected)
    chance <- apply(every, 1, dmultinom, prob = x[4:6])
    sum(chance[apply(every, 1, statistic) >= statistic(x[1:3]) * (1 - 1e-9)])
  }
  set.seed(1)
  list(
    binomial = rows("two_arms", function(x) binom.test(x[1], x[1] + x[2], x[3])$p.value),
    ratio = rows("two_arms", function(x) unlist(quiet(x[1:2], p = c(x[3], 1 - x[3]))[c("statistic", "p.value")])),
    three = rows("three_arms", function(x) unlist(quiet(x[1:3], p = x[4:6] / sum(x[4:6]))[c("statistic", "p.value")])),
    exact = rows("three_arms", function(x) if (sum(x[1:3]) < 50) exactly(x) else NA),
    fisher = rows("tables", function(x) fisher.test(two_rows(x))$p.value),
    pearson = rows("tables", function(x) unlist(quiet(two_rows(x))[c("statistic", "p.value")])),
    wide = rows("wide", function(x) unlist(quiet(two_rows(x))[c("statistic", "p.value")])),
    drawn = rows("wide", function(x) chisq.test(two_rows(x), simulate.p.value = TRUE, B = 1e5)$p.value)
  )
}

# Several arms: Dunnett's and Tukey's procedures for means with unequal variances, by numerical integration.
arms <- function() {
  need("sandwich", "multcomp", "mvtnorm")
  people <- table_of("people")
  people$arm <- relevel(factor(people$arm), "C")
  fit <- lm(days ~ arm, people)
  closely <- mvtnorm::GenzBretz(maxpts = 1e6, abseps = 1e-6)
  ask <- function(which) {
    family <- multcomp::glht(fit, multcomp::mcp(arm = which), vcov. = sandwich::vcovHC(fit, "HC2"), df = 0)
    test <- function(how, ...) summary(family, test = multcomp::adjusted(how, ...))$test
    joint <- test("single-step", algorithm = closely)
    critical <- table_of(tolower(which))$critical
    correlation <- cov2cor(vcov(family))
    covered <- mvtnorm::pmvnorm(rep(-critical, nrow(correlation)), critical, corr = correlation, algorithm = closely)
    list(
      estimate = joint$coefficients, error = joint$sigma, joint = joint$pvalues, holm = test("holm")$pvalues,
      covered = covered
    )
  }
  dunnett <- ask("Dunnett")
  tukey <- ask("Tukey")
  setNames(c(dunnett, tukey), c(paste("dunnett", names(dunnett)), paste("tukey", names(tukey))))
}

# The chance that all of several correlated normal variables lie within a critical value; the largest |z|, and its p.
bands <- function() {
  need("sandwich", "mvtnorm")
  days <- table_of("days")
  asked <- table_of("asked")
  days$day <- factor(days$day)
  fit <- lm(on ~ 0 + day + day:treated, days)
  effect <- grep(":treated", names(coef(fit)))
  within <- sandwich::vcovCL(fit, days$row, "HC0", cadjust = FALSE)[effect, effect]
  range <- (asked$first + 1):length(effect)
  closely <- mvtnorm::GenzBretz(maxpts = 1e6, abseps = 1e-5)
  ask <- function(weights, critical) {
    covariance <- weights %*% within %*% t(weights)
    covered <- function(z) {
      mvtnorm::pmvnorm(rep(-z, length(range)), rep(z, length(range)), corr = cov2cor(covariance), algorithm = closely)
    }
    z <- max(abs(weights %*% coef(fit)[effect]) / sqrt(diag(covariance)))
    c(covered(critical), z, 1 - covered(z))
  }
  sums <- lower.tri(diag(length(effect)), diag = TRUE) * 1
  list(
    daily = ask(diag(length(effect))[range, ], asked$daily), cumulative = ask(sums[range, ], asked$cumulative)
  )
}

# Welch's test within the digits of each arm, both added up; and every split of the digits.
digits <- function() {
  people <- table_of("people")
  test <- lapply(split(people, people$treated), function(mine) oneway.test(y ~ factor(digit), mine))
  df <- sapply(test, function(each) each$parameter[1])
  statistic <- sum(df * sapply(test, function(each) each$statistic))
  below <- sum(sapply(test, function(each) each$parameter[2]))
  on <- tapply(people$y, people$digit, sum)
  n <- tapply(people$y, people$digit, length)
  apart <- combn(10, 5, function(side) sum(on[side]) / sum(n[side]) - sum(on[-side]) / sum(n[-side]))
  observed <- mean(people$y[people$treated == 1]) - mean(people$y[people$treated == 0])
  list(
    alike = c(statistic, sum(df), pf(statistic / sum(df), sum(df), below, lower.tail = FALSE)),
    observed = observed, p = mean(abs(apart) >= abs(observed) - 1e-9), spread = sd(apart)
  )
}

# Period averages before day 0 by Hotelling's F with unequal variances; their total by Welch.
before <- function() {
  people <- table_of("people")
  periods <- as.matrix(people[grep("^q", names(people))])
  one <- periods[people$treated == 1, ]
  other <- periods[people$treated == 0, ]
  within <- cov(one) / nrow(one) + cov(other) / nrow(other)
  wald <- mahalanobis(colMeans(one), colMeans(other), within)
  df <- ncol(periods)
  below <- nrow(periods) - df - 1
  total <- t.test(people$days[people$treated == 1], people$days[people$treated == 0])
  list(
    wald = c(wald, df, pf(wald * below / (df * (nrow(periods) - 2)), df, below, lower.tail = FALSE)),
    total = c(-diff(total$estimate), total$stderr, 2 * pnorm(-abs(total$statistic)))
  )
}

# Each group and those not in it, as copies of their people, in one regression clustered on people.
groups <- function() {
  need("sandwich")
  people <- table_of("people")
  kinds <- grep("^g", names(people), value = TRUE)
  copies <- do.call(rbind, lapply(kinds, function(name) {
    mine <- people[!is.na(people[[name]]), ]
    data.frame(mine[c("row", "treated", "days")], cell = paste0(name, c(" outside", " inside")[mine[[name]] + 1]))
  }))
  fit <- lm(days ~ 0 + cell + cell:treated, copies)
  effect <- function(where) paste0("cell", kinds, " ", where, ":treated")
  between <- sandwich::vcovCL(fit, copies$row, "HC0", cadjust = FALSE)
  take <- matrix(0, length(kinds), length(coef(fit)), dimnames = list(kinds, names(coef(fit))))
  take[cbind(kinds, effect("inside"))] <- 1
  own <- take
  take[cbind(kinds, effect("outside"))] <- -1
  apart <- drop(take %*% coef(fit))
  covariance <- take %*% between %*% t(take)
  wald <- mahalanobis(apart, rep(0, length(apart)), covariance)
  estimate <- drop(own %*% coef(fit))
  error <- sqrt(diag(own %*% between %*% t(own)))
  p <- 2 * pnorm(-abs(estimate / error))
  p_apart <- 2 * pnorm(-abs(apart) / sqrt(diag(covariance)))
  list(
    estimate = estimate, std_error = error, p_value = p, p_holm = p.adjust(p, "holm"), p_bh = p.adjust(p, "BH"),
    difference = apart, difference_std_error = sqrt(diag(covariance)), difference_p_value = p_apart,
    difference_p_holm = p.adjust(p_apart, "holm"), difference_p_bh = p.adjust(p_apart, "BH"),
    joint = c(wald, length(kinds), pchisq(wald, length(kinds), lower.tail = FALSE))
  )
}

adjusted_p <- function() {
  for_each(table_of("p_values"), "family", function(mine) {
    list(holm = p.adjust(mine$p, "holm"), fdr_bh = p.adjust(mine$p, "BH"))
  })
}

found <- get(arguments[1], mode = "function")()
values <- unlist(found, use.names = FALSE)
written <- data.frame(name = rep(names(found), lengths(found)), value = sprintf("%.17g", values))
write.csv(written, file.path(folder, "found.csv"), row.names = FALSE)
